"""A picture of what models are worth: each with its control and the trivial answer, on the same test rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.results import Standing, Standings
from graft.report.style import INK, MUTED, SCRATCH, TRANSFER, bare, canvas, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE = 0.42  # inches of a row
PLACES = {"transfer": (TRANSFER, -0.2, "o"), "scratch": (SCRATCH, 0.02, "o"), "trivial": (MUTED, 0.24, "D")}


def draw(standings: Standings) -> bytes:
    """Return the picture as a PNG: a line for each row, of which more is better; an error rate is shown as 1 less it.

    Metrics that end at no 1, such as a loss, are left to the table.
    """
    rows = [row for row in standings.rows if row.bounded]
    with canvas(8.2, LINE * len(rows) + 1.1) as figure:
        axes = figure.subplots()
        for place, row in enumerate(rows):
            _draw(axes, row, place)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(0, 1)
        axes.set_title(standings.title)
        axes.set_xlabel(standings.axis)
        axes.set_yticks(range(len(rows)), [f"{row.name}\n{_metric(row)}" for row in rows])
        axes.tick_params(axis="y", labelcolor=INK, labelsize=8.5)
        axes.grid(axis="x")
        bare(axes, "left")
        _explain(axes)
        return png(figure)


def _metric(row: Standing) -> str:
    return row.metric if row.higher_is_better else f"1 − {row.metric}"


def _draw(axes: Axes, row: Standing, place: int) -> None:
    if place % 2:
        axes.axhspan(place - 0.5, place + 0.5, color=MUTED, alpha=0.06, linewidth=0)
    for name, (colour, shift, marker) in PLACES.items():
        ends = getattr(row, name)
        value, low, high = ends if row.higher_is_better else (1 - ends[0], 1 - ends[2], 1 - ends[1])
        axes.plot([max(low, 0), max(high, 0)], [place + shift] * 2, color=colour, linewidth=3.4, alpha=0.45,
                  solid_capstyle="butt")  # fmt: skip
        axes.plot([max(value, 0)], [place + shift], marker, color=colour, markersize=5 if marker == "o" else 4,
                  clip_on=False)  # fmt: skip


def _explain(axes: Axes) -> None:
    """Name the marks below the axis."""
    from matplotlib.lines import Line2D

    marks = [
        Line2D([], [], color=colour, marker=marker, markersize=5, linewidth=3.4, label=name)
        for name, (colour, _, marker) in PLACES.items()
    ]
    axes.figure.legend(handles=marks, loc="outside lower center", ncols=len(marks), handlelength=1.6)
