"""Pareto: what each candidate reached against what it cost and what it forgot, the frontier marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from graft.evaluation.units import percent, scale, unit
from graft.evaluation.verdict import name_of
from graft.report.style import BAND, INK, MUTED, SCRATCH, TRANSFER, bare, canvas
from graft.report.wording import duration, operations

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

Candidate = Mapping[str, Any]
PLACES = ((7, 0, "left"), (-7, 0, "right"), (0, 10, "center"), (0, -10, "center"))
"""Where a name may stand, in points from its dot, the best first."""
OUTSIDE = ((-5, 8, "right"), (-8, 0, "right"), (0, 11, "center"), (7, 0, "left"), (0, -11, "center"),
           (5, -9, "left"), (-5, -9, "right"), (5, 9, "left"),
           *((x, y, "left" if x > 0 else "right") for y in (17, 28, 40) for x in (-12, 12)),
           *((x, -y, "left" if x > 0 else "right") for y in (17, 28, 40) for x in (-12, 12)))  # fmt: skip
"""The same for names that must stand somewhere: above the frontier there is nothing. Far ones get a line to the dot."""
NEAR = 1.05  # costs whose ratio is smaller are drawn as the neighbours that they are
FAR = 12


@dataclass(frozen=True)
class Dot:
    """A candidate on a panel."""

    x: float
    y: float
    """Validation metric, a share in percent."""
    name: str
    role: str
    chosen: bool
    """Whether it was chosen, of the candidates or of the control's learning rates."""
    dropped: bool
    first: bool = False
    """Whether it is on the frontier."""


def pareto_figure(
    candidates: Sequence[Candidate], metric: str, source_metric: str, higher_is_better: bool = True
) -> Figure | None:
    """Return validation metric against cost of a trial and, where it was measured, against forgetting.

    Cost is in FLOPs, or in seconds where FLOPs were not counted; None where it is known for fewer than two. Candidates
    whose forgetting was not measured, such as the control, are on the first panel only.
    """
    cost = next((key for key in ("flops", "seconds") if _known(candidates, key) == len(candidates) > 1), None)
    if cost is None:
        return None
    keys = [cost, *(["forgetting"] if _known(candidates, "forgetting") > 1 else [])]
    dots = {key: mark_frontier(_dots(candidates, key, metric, source_metric), higher_is_better) for key in keys}
    with canvas(5.2 * len(keys) + (1.4 if len(keys) == 1 else 0), 4.1) as figure:
        panels = figure.subplots(1, len(keys), sharey=True, squeeze=False)[0]
        for axes, key in zip(panels, keys, strict=True):
            _draw(axes, dots[key], higher_is_better)
            _scale(axes, key, [dot.x for dot in dots[key]], source_metric)
        panels[0].set_ylabel(f"validation {name_of(metric)}{percent(metric)}")
        figure.draw_without_rendering()  # names go where they find room, so all else must stand first
        figure.set_layout_engine("none")
        for axes, key in zip(panels, keys, strict=True):
            _write_names(axes, dots[key])
    return figure


def mark_frontier(dots: Sequence[Dot], higher_is_better: bool) -> list[Dot]:
    """Return the dots with those marked that no other one beats: as cheap and better, or as good and cheaper."""
    sign = 1.0 if higher_is_better else -1.0

    def beats(one: Dot, other: Dot) -> bool:
        gains = (other.x - one.x, sign * (one.y - other.y))
        return min(gains) >= 0 and max(gains) > 0

    return [replace(dot, first=not any(beats(other, dot) for other in dots)) for dot in dots]


def _known(candidates: Sequence[Candidate], key: str) -> int:
    return sum(candidate.get(key) is not None for candidate in candidates)


def _dots(candidates: Sequence[Candidate], key: str, metric: str, source_metric: str) -> list[Dot]:
    several = len({candidate["learning_rate"] for candidate in candidates}) > 1
    across = scale(source_metric) if key == "forgetting" else 1
    return [
        Dot(
            across * float(one[key]),
            scale(metric) * float(one["mean"]),
            _name(one, several),
            "control" if one["strategy"] == "scratch" else "candidate",
            bool(one["kept"]),
            bool(one.get("dropped", False)),
        )
        for one in candidates
        if one.get(key) is not None
    ]


def _name(candidate: Candidate, several: bool) -> str:
    name = str(candidate["strategy"]).replace("$", r"\$")
    name = name if len(name) <= 28 else f"{name[:27]}…"
    return f"{name}  {candidate['learning_rate']:g}" if several else name


def _draw(axes: Axes, dots: Sequence[Dot], higher_is_better: bool) -> None:
    """Draw the dots, and the frontier as stairs: no dot lies on its far side."""
    edge = sorted((dot for dot in dots if dot.first), key=lambda dot: (dot.x, dot.y if higher_is_better else -dot.y))
    axes.step([dot.x for dot in edge], [dot.y for dot in edge], where="post", color=TRANSFER, alpha=0.35, linewidth=5,
              solid_joinstyle="round", solid_capstyle="round", zorder=1)  # fmt: skip
    for dot in dots:
        colour = SCRATCH if dot.role == "control" else TRANSFER
        axes.plot(
            dot.x, dot.y, "D" if dot.role == "control" else "o", color=colour, markersize=9 if dot.chosen else 6.5,
            mfc=colour if dot.chosen else "white", mew=1.6, alpha=0.45 if dot.dropped else 1,
            zorder=3 + dot.chosen * (1 + (dot.role != "control")),
        )  # fmt: skip
    axes.margins(0.1, 0.13)
    axes.grid(color=BAND)
    bare(axes)


def _scale(axes: Axes, key: str, values: Sequence[float], source_metric: str) -> None:
    """Give the axis of costs its unit, and a logarithmic scale where they are of several magnitudes."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    if key == "forgetting":
        counted = unit(source_metric)
        axes.set_xlabel(f"forgotten of the source's {name_of(source_metric)}, in {counted}")
        return
    if min(values) > 0 and max(values) > 6 * min(values):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(
            LogLocator(10, (1.0,) if max(values) > 40 * min(values) else (1.0, 3.0), numticks=7)
        )
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
        if max(values) < NEAR * min(values):  # else ticks in three digits would repeat, and little look like much
            axes.set_xlim(min(values) / NEAR, max(values) * NEAR)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: operations(x) if key == "flops" else _seconds(x)))
    axes.set_xlabel("FLOPs of a trial" if key == "flops" else "time of a trial")


def _seconds(value: float) -> str:
    return f"{value:.2g} s" if value < 10 else duration(value)


def _write_names(axes: Axes, dots: Sequence[Dot]) -> None:
    """Write the names of what was chosen, the control and the frontier, and of others where there is room."""
    from matplotlib.text import Text

    taken = [_around(axes, dot) for dot in dots]
    inside = axes.get_window_extent().padded(4)

    def rank(dot: Dot) -> tuple[bool, bool, bool, float]:
        return not dot.chosen, dot.role == "control", not dot.first, -abs(dot.y)

    for dot in sorted(dots, key=rank):
        wanted = dot.chosen or dot.first
        own = _around(axes, dot)
        for right, up, side in OUTSIDE if wanted else PLACES:
            text = axes.annotate(
                dot.name, (dot.x, dot.y), (right, up), textcoords="offset points", ha=side, va="center", zorder=5,
                fontsize=9, fontweight="bold" if dot.chosen and dot.role != "control" else "normal",
                color=SCRATCH if dot.role == "control" else INK if wanted else MUTED,
                arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.7} if abs(up) > FAR else None,
            )  # fmt: skip
            text.get_window_extent()  # puts it where it belongs
            box = Text.get_window_extent(text).padded(1.5)  # and this leaves the line to the dot out
            within = inside.x0 <= box.x0 < box.x1 <= inside.x1 and inside.y0 <= box.y0 < box.y1 <= inside.y1
            if within and not any(box.overlaps(other) for other in taken if other.bounds != own.bounds):
                taken.append(box)
                break
            text.remove()


def _around(axes: Axes, dot: Dot) -> Bbox:
    """Return the square that a dot takes, in pixels."""
    from matplotlib.transforms import Bbox

    x, y = axes.transData.transform((dot.x, dot.y))
    reach = 7 if dot.chosen else 5
    return Bbox.from_extents(x - reach, y - reach, x + reach, y + reach)
