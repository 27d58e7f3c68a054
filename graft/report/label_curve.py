"""The label curve in the report: both arms by number of labels, the multiplier between them, the next doubling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, inf
from typing import TYPE_CHECKING, Any

from graft.evaluation.label_curve import CurvePoint
from graft.evaluation.units import percent, scale
from graft.evaluation.verdict import name_of
from graft.report.style import INK, MUTED, SCRATCH, TRANSFER, bare, canvas
from graft.report.wording import change, count, score

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOOKS = {"transfer": ("transfer", TRANSFER), "scratch": ("from scratch", SCRATCH)}


def label_curve_figure(metrics: Mapping[str, Any], points: Sequence[CurvePoint]) -> Figure:
    """Return the metric against labels on a logarithmic axis, with the intervals of both arms.

    An arrow goes from the labels with transfer to those from scratch that do the same; dashes lead to what the power
    law foretells for twice the budget.
    """
    metric, times = metrics["metric"], scale(metrics["metric"])
    with canvas(9.4, 3.9) as figure:
        axes = figure.subplots()
        axes.set_xscale("log")
        for arm in LOOKS:
            _draw_arm(axes, arm, times, [one for one in points if one.arm == arm])
        _label_ends(axes, times, points)
        if metrics["label_doubling"] is not None:
            _name_gain(
                axes, change(metrics["label_doubling"], metric), times, [one for one in points if one.arm == "transfer"]
            )
        if metrics["label_multiplier"] is not None:
            _draw_multiplier(axes, metrics, points)
        _mark_labels(axes, points)
        axes.set_ylabel(f"{name_of(metric)} on test{percent(metric)}")
        axes.grid(axis="y")
        bare(axes, "left")
    return figure


def multiplier_sentence(metrics: Mapping[str, Any]) -> str:
    """Return what a label with transfer is worth in labels from scratch."""
    if (value := metrics["label_multiplier"]) is None:
        return f"There is no label multiplier: {metrics['label_multiplier_note']}."
    ours, theirs = count(ceil(metrics["labels_transfer"])), count(ceil(metrics["labels_scratch"]))
    bound = f"{metrics['label_multiplier_bound']} " if metrics["label_multiplier_bound"] else ""
    interval = _between(metrics["label_multiplier_low"], metrics["label_multiplier_high"])
    already = {"at least": "already ", "at most": "only ", None: ""}[metrics["label_multiplier_bound"]]
    said = (
        f"{ours} labels with transfer {already}do what {theirs} do from scratch: a label with transfer is worth "
        f"{bound}{value:.1f} from scratch ({_level(metrics)} {interval})."
    )
    low, high = metrics["label_multiplier_low"] or 0.0, metrics["label_multiplier_high"] or inf
    return f"{said} It may as well be worth no more than one." if value > 1 and low <= 1 <= high else said


def doubling_sentence(metrics: Mapping[str, Any], points: Sequence[CurvePoint]) -> str:
    """Return what twice as many labels should give, and how well such foretelling has held here."""
    if metrics["label_doubling"] is None:
        return "There are too few counts to foretell what twice as many labels would give."
    last = [one for one in points if one.arm == "transfer" and not one.projected][-1]
    gain, low, high = (change(metrics[f"label_doubling{end}"], metrics["metric"]) for end in ("", "_low", "_high"))
    said = (
        f"From {count(last.labels)} to {count(2 * last.labels)} labels transfer should gain {gain} ({_level(metrics)} "
        f"{low.replace(' points', '')} to {high.replace(' points', '')}), if the power law through its curve holds."
    )
    if metrics["label_doubling_check"] is None:
        return said
    foretold, measured = (
        score(value, metrics["metric"]) for value in (metrics["label_doubling_check"], last.score.value)
    )
    return f"{said} Drawn without its last point, the law foretells {foretold} there; {measured} was measured."


def _level(metrics: Mapping[str, Any]) -> str:
    return f"{100 * metrics['confidence']:.0f} % interval"


def _between(low: float | None, high: float | None) -> str:
    """Return an interval of which either end may lie beyond what was measured."""
    if low is None and high is None:
        return "not bounded by the counts that were measured"
    if high is None:
        return f"{low:.1f} or more"
    return f"{high:.1f} or less" if low is None else f"{low:.1f} to {high:.1f}"


def _draw_arm(axes: Axes, arm: str, times: int, points: Sequence[CurvePoint]) -> None:
    colour = LOOKS[arm][1]
    measured = [one for one in points if not one.projected]
    x = [one.labels for one in measured]
    axes.plot(x, [times * one.score.value for one in measured], "o-", color=colour, linewidth=2, markersize=5, zorder=3)
    low, high = ([times * getattr(one.score, end) for one in measured] for end in ("low", "high"))
    axes.fill_between(x, low, high, color=colour, alpha=0.14, linewidth=0)
    for ahead in (one for one in points if one.projected):
        last, value = measured[-1], times * ahead.score.value
        axes.plot([last.labels, ahead.labels], [times * last.score.value, value], "--", color=colour, linewidth=1.4)
        if arm == "transfer":
            spread = [[value - times * ahead.score.low], [times * ahead.score.high - value]]
            axes.errorbar(ahead.labels, value, yerr=spread, color=colour, capsize=3, elinewidth=1.2)
        axes.plot(ahead.labels, value, "o", color=colour, mfc="white", markersize=6, zorder=4)


def _label_ends(axes: Axes, times: int, points: Sequence[CurvePoint]) -> None:
    """Write each arm's name beside its last point, the higher one above."""
    last = {arm: [one for one in points if one.arm == arm][-1] for arm in LOOKS}
    upper = max(LOOKS, key=lambda arm: last[arm].score.value)
    for arm, (name, colour) in LOOKS.items():
        end = last[arm]
        axes.annotate(
            name, (end.labels, times * end.score.value), (9, 3 if arm == upper else -3), textcoords="offset points",
            va="bottom" if arm == upper else "top", color=colour, fontweight="bold",
        )  # fmt: skip


def _name_gain(axes: Axes, gain: str, times: int, points: Sequence[CurvePoint]) -> None:
    """Write the expected gain over the dashes that lead to it."""
    last, ahead = points[-2:]
    middle = last.labels**0.56 * ahead.labels**0.44, times / 2 * (last.score.value + ahead.score.value)
    axes.annotate(
        f"{gain}, foretold", middle, (0, 5),
        textcoords="offset points", ha="center", va="bottom", color=TRANSFER, fontsize=9,
    )  # fmt: skip


def _draw_multiplier(axes: Axes, metrics: Mapping[str, Any], points: Sequence[CurvePoint]) -> None:
    """Draw the arrow at the height that both arms reach, and say what it is worth."""
    from matplotlib.patheffects import withStroke

    ours, theirs, value = (metrics[key] for key in ("labels_transfer", "labels_scratch", "label_multiplier"))
    weaker = "scratch" if value >= 1 else "transfer"
    height = (
        scale(metrics["metric"]) * [one for one in points if one.arm == weaker and not one.projected][-1].score.value
    )
    arrow = {"arrowstyle": "<|-|>", "color": INK, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (ours, height), (theirs, height), arrowprops=arrow, zorder=5)
    halo = [withStroke(linewidth=3, foreground="white")]  # the number stands on lines and bands
    sign = {"at least": "≥ ", "at most": "≤ ", None: ""}[metrics["label_multiplier_bound"]]
    axes.annotate(
        f"{sign}{value:.1f} ×", ((ours * theirs) ** 0.5, height), (0, -6), textcoords="offset points", ha="center",
        va="top", color=INK, fontweight="bold", path_effects=halo, zorder=6,
    )  # fmt: skip


def _mark_labels(axes: Axes, points: Sequence[CurvePoint]) -> None:
    """Put a tick at every count: labelled rows, and below them labels per class where there are classes."""
    ticks = {one.labels: one.labels_per_class for one in points if one.arm == "transfer"}
    classes = any(labels != each for labels, each in ticks.items())
    axes.set_xticks(list(ticks), [f"{labels}\n{each:g}" if classes else f"{labels}" for labels, each in ticks.items()])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("labelled rows" + (", and below them labels per class" if classes else ""), color=MUTED)
    axes.margins(x=0.02)
    least, most = min(ticks), max(ticks)
    axes.set_xlim(least * 0.93, most * (most / least) ** 0.2)  # room for the names at the ends
