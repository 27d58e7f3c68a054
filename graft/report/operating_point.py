"""The operating point in the report: the curves of both arms, and where on them the threshold lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graft.evaluation.operating_point import RATES, RocCurve
from graft.report.style import INK, RULE, SCRATCH, TRANSFER, bare, canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOOKS = {"transfer": ("transfer", TRANSFER, "", "o"), "scratch": ("from scratch", SCRATCH, "_scratch", "D")}
NAMES = {
    "sensitivity": ("sensitivity", "of the positive rows, called positive"),
    "specificity": ("specificity", "of the negative rows, called negative"),
    "ppv": ("positive predictive value", "of those called positive, positive"),
    "npv": ("negative predictive value", "of those called negative, negative"),
    "auroc": ("AUROC", "of pairs, the positive row above the negative one; without any threshold"),
}


def roc_figure(metrics: Mapping[str, Any], curves: Sequence[RocCurve]) -> Figure:
    """Return the curve of every seed of both arms, and the mean point of each with its intervals both ways."""
    with canvas(5.2, 4.6) as figure:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=RULE, linewidth=1.2, zorder=1)
        for arm, (_, colour, _, _) in reversed(LOOKS.items()):
            for one in curves:
                if one.arm == arm:
                    axes.plot(one.false_positives, one.true_positives, color=colour, linewidth=1.3, alpha=0.55)
        for arm in reversed(LOOKS):
            _draw_point(axes, arm, metrics)
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="1 − specificity: negative rows called positive",
                 ylabel="sensitivity: positive rows called positive")  # fmt: skip
        axes.set_aspect("equal")
        axes.grid(axis="both")
        axes.legend(loc="lower right")
        bare(axes)
    return figure


def rates(metrics: Mapping[str, Any]) -> Sequence[tuple[str, str, str]]:
    """Return key, name and meaning of everything that the report tells of the point."""
    return [(key, *NAMES[key]) for key in (*RATES, "auroc")] if metrics.get("positive") else []


def _draw_point(axes: Axes, arm: str, metrics: Mapping[str, Any]) -> None:
    name, colour, end, marker = LOOKS[arm]
    y, low, high = (metrics[f"sensitivity{end}{side}"] for side in ("", "_low", "_high"))
    x, least, most = (metrics[f"specificity{end}{side}"] for side in ("", "_low", "_high"))
    threshold = metrics["threshold" if arm == "transfer" else "threshold_scratch"]
    axes.errorbar(
        1 - x, y, xerr=[[max(most - x, 0)], [max(x - least, 0)]], yerr=[[max(y - low, 0)], [max(high - y, 0)]],
        fmt=marker, color=colour, markersize=8, mec=INK, mew=0.8, elinewidth=2, capsize=4, zorder=5,
        label=f"{name}, from {threshold:.2f} on",
    )  # fmt: skip
