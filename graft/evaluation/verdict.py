"""The verdict: what an interval of the gain says, given the gain that matters."""

import math
from collections.abc import Mapping
from typing import Any

from graft.catalog import Verdict
from graft.evaluation.units import digits, scale, unit

# 0.71 - 0.70 is 0.010000000000000009: rounding noise must not lift a gain over a margin of 0.01.
DIGITS = 12

HEADLINE: dict[Verdict, str] = {
    "helps": "Transfer helps",
    "neutral": "Transfer makes no difference",
    "hurts": "Transfer hurts",
    "cannot-tell": "Cannot tell yet",
}
NAMES = {
    "auroc": "AUROC",
    "balanced_accuracy": "balanced accuracy",
    "label_accuracy": "of labels right",
    "map": "mAP",
    "map_50": "mAP@50",
    "mean_iou": "mean IoU",
    "equal_error_rate": "equal error rate",
    "tar_at_far_1e-2": "TAR at FAR 1e-2",
    "tar_at_far_1e-3": "TAR at FAR 1e-3",
}
"""What the field writes where it is not the key with hyphens."""
OF_A_CLASS = "ap_"
"""Begins the key of a class's own average precision."""


def decide(low: float, high: float, margin: float) -> Verdict:
    """Return the verdict of an interval of the gain; an interval that is not a number cannot tell.

    An end that lies exactly on the margin is not beyond it: [margin, margin] is neutral.
    """
    if math.isnan(low) or math.isnan(high):
        return "cannot-tell"
    low, high, margin = round(low, DIGITS), round(high, DIGITS), round(margin, DIGITS)
    if low > high:
        raise ValueError(f"an interval from {low} to {high} ends before it begins")
    if low > margin:
        return "helps"
    if high < -margin:
        return "hurts"
    if low >= -margin and high <= margin:
        return "neutral"
    return "cannot-tell"


def name_of(metric: str) -> str:
    """Return a metric's name as one writes it."""
    if metric.startswith(OF_A_CLASS):
        return f"AP of {metric.removeprefix(OF_A_CLASS)}"
    first, *label = metric.split(" ", 1)  # `auroc of mass` has a label's own name behind it
    return " ".join([NAMES.get(first, first.replace("_", "-")), *label])


def title_of(metric: str) -> str:
    """Return a metric's name as it begins a sentence; one with capitals of its own, such as mAP, stays as it is."""
    name = name_of(metric)
    return name if any(map(str.isupper, name.split(" ")[0])) else name[:1].upper() + name[1:]


def sentence(metrics: Mapping[str, Any]) -> str:
    """Return the verdict in one sentence for someone who reads nothing else."""
    name = str(metrics["metric"])
    gain, low, high = (signed(scale(name) * metrics[key], digits(name)) for key in ("gain", "gain_low", "gain_high"))
    gain, metric = f"{gain} {unit(name)}", name_of(name)
    margin, confidence = scale(name) * metrics["margin"], f"{100 * metrics['confidence']:.0f} %"
    falls = "" if metrics.get("higher_is_better", True) else ", lower is better and a gain is what it falls"
    between = f"({confidence} interval {low} to {high}{falls})"
    match metrics["verdict"]:
        case "helps":
            return (
                f"Starting from {metrics['source']} gives {gain} of {metric} over training from scratch "
                f"{between}: all of the interval lies above the margin of {margin:g}."
            )
        case "hurts":
            return (
                f"Starting from {metrics['source']} changes {metric} by {gain} against training from "
                f"scratch {between}: all of the interval lies below the margin of −{margin:g}. Train from scratch."
            )
        case "neutral":
            return (
                f"Starting from {metrics['source']} changes {metric} by {gain} {between}: all of the "
                f"interval lies within ±{margin:g} of zero, so training from scratch is as good."
            )
        case _:
            return (
                f"The gain from {metrics['source']} is {gain} of {metric} {between}, too wide for an "
                f"answer at a margin of {margin:g}: more test rows or more seeds would narrow it."
            )


def said_gain(metrics: Mapping[str, Any]) -> str:
    """Return the gain with its interval, in what its metric is counted in."""
    name = str(metrics["metric"])
    gain, low, high = (signed(scale(name) * metrics[key], digits(name)) for key in ("gain", "gain_low", "gain_high"))
    return f"{gain} {unit(name)} ({low} to {high})"


def signed(number: float, digits: int = 1) -> str:
    """Return a number with its sign, a true minus, and no sign where it rounds to zero."""
    text = f"{number:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")
