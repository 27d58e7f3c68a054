"""Robustness in the report: the metric by severity, a small panel for each corruption, and a table of conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from graft.evaluation.points import Point
from graft.evaluation.units import percent, scale
from graft.evaluation.verdict import DIGITS, name_of
from graft.report.style import BAND, INK, MUTED, SCRATCH, TRANSFER, bare, canvas
from graft.report.wording import change

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Series = Mapping[int, Point]
"""Points by severity."""
LOOKS = {
    "transfer": ("transfer", TRANSFER, "-", 2.0),
    "scratch": ("from scratch", SCRATCH, "-", 2.0),
    "source": ("untouched source", MUTED, (0, (3, 1.6)), 1.4),
}
MEAN = "mean of all"


@dataclass(frozen=True)
class Condition:
    """One line of the table: the prefix of its keys in metrics.json, and what to call it."""

    prefix: str
    title: str
    rows: int | None
    worst: Mapping[str, str] | None = None
    """For the worst group, each arm's own group."""


def corruptions_figure(points: Sequence[Point], metric: str = "accuracy") -> Figure:
    """Return the metric against severity, a panel for each corruption and a last one with their mean, on equal axes.

    Severity 0 is the same rows as they are. Bands are the intervals of winner and control. An untouched source that
    is the winner itself is not drawn twice.
    """
    series = _series(points)
    titles = [*dict.fromkeys(title for title, _ in series), MEAN]
    columns = 4 if len(titles) > 5 else len(titles)
    lines = -(-len(titles) // columns)
    with canvas(10.4, 0.55 + 2.05 * lines) as figure:
        panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).flatten()
        for axes, title in zip(panels, titles, strict=False):
            for arm in LOOKS:
                if arm != "source" or not _source_is_transfer(points):
                    _draw(axes, arm, series.get((title, arm)), _mean(series, arm), scale(metric))
            axes.set_title(title, color=INK)
            axes.set_xticks(range(6))
            axes.grid(axis="y")
            bare(axes, "left")
        for axes in panels[len(titles) :]:
            axes.set_visible(False)
        panels[len(titles) - 1].set_facecolor(BAND)
        panels[len(titles) - 1].grid(axis="y", color="white")
        panels[0].set_ylim(*_limits(points, scale(metric)))
        figure.supxlabel("severity (0: the rows as they are)", fontsize=9.5, color=MUTED)
        figure.supylabel(f"{name_of(metric)}{percent(metric)}", fontsize=9.5, color=MUTED)
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper left", ncols=3, handlelength=2.2)
    return figure


def list_conditions(metrics: Mapping[str, Any]) -> list[Condition]:
    """Return what was measured beside the test set itself, in the order of the table."""
    found = []
    if metrics["robustness"] is not None:
        found.append(Condition("robustness", "corrupted, mean of all", metrics["robustness_rows"]))
    for key in metrics:
        if key.startswith("shift_") and key.endswith("_rows"):
            prefix = key.removesuffix("_rows")
            found.append(Condition(prefix, f"shift set {prefix.removeprefix('shift_')}", metrics[key]))
    if metrics["worst_group"] is not None:
        keys = {"transfer": "worst_group", "scratch": "worst_group_scratch", "source": "worst_group_source"}
        names = {arm: f"{metrics[f'{key}_name']}, {metrics[f'{key}_rows']} rows" for arm, key in keys.items()}
        found.append(Condition("worst_group", "worst group, each arm its own", None, names))
    return found


def against_control(points: Sequence[Point], metric: str = "accuracy", rises: bool = True) -> str:
    """Return in one sentence where transfer is ahead of the control, and where it is not."""
    scores = {(point.arm, point.name, point.severity): point.score.value for point in points if point.severity}
    gains = {
        (name, severity): (1 if rises else -1) * (value - scores["scratch", name, severity])
        for (arm, name, severity), value in scores.items()
        if arm == "transfer"
    }
    ahead = sum(round(gain, DIGITS) > 0 for gain in gains.values())
    least, most = (pick(gains, key=lambda key: (gains[key], key)) for pick in (min, max))
    ends = " to ".join(f"{change(gains[key], metric)} ({key[0]}, severity {key[1]})" for key in (least, most))
    return f"Transfer is ahead of the control in {ahead} of {len(gains)} settings; the difference goes from {ends}."


def _of(point: Point, arm: str) -> bool:
    return point.kind == "corruption" and point.arm == arm


def _series(points: Sequence[Point]) -> Mapping[tuple[str, str], Series]:
    """Return each corruption's points of each arm, severity 0 included."""
    intact = {point.arm: point for point in points if point.kind == "corruption" and point.severity == 0}
    found: dict[tuple[str, str], dict[int, Point]] = {}
    for point in points:
        if point.kind == "corruption" and point.severity:
            found.setdefault((point.name, point.arm), {0: intact[point.arm]})[point.severity] = point
    return found


def _mean(series: Mapping[tuple[str, str], Series], arm: str) -> dict[int, float]:
    mine = [points for (_, of), points in series.items() if of == arm]
    return {severity: float(np.mean([points[severity].score.value for points in mine])) for severity in mine[0]}


def _source_is_transfer(points: Sequence[Point]) -> bool:
    scores = {
        arm: [(point.name, point.severity, point.score) for point in points if _of(point, arm)]
        for arm in ("transfer", "source")
    }
    return scores["transfer"] == scores["source"]


def _draw(axes: Axes, arm: str, points: Series | None, mean: Mapping[int, float], times: int) -> None:
    name, colour, line, width = LOOKS[arm]
    x = sorted(points or mean)
    y = [times * (points[severity].score.value if points else mean[severity]) for severity in x]
    axes.plot(x, y, color=colour, linestyle=line, linewidth=width, label=name, zorder=3 if arm != "source" else 4)
    if points and arm != "source":
        low, high = ([times * getattr(points[severity].score, end) for severity in x] for end in ("low", "high"))
        axes.fill_between(x, low, high, color=colour, alpha=0.14, linewidth=0)


def _limits(points: Sequence[Point], times: int) -> tuple[float, float]:
    """Return the axis that holds every interval, in tenths of a share, or of a nat."""
    scores = [point.score for point in points if point.kind == "corruption"]
    low, high = min(score.low for score in scores), max(score.high for score in scores)
    return times * np.floor(10 * low) / 10, times * (np.ceil(10 * high) / 10 + 0.01)
