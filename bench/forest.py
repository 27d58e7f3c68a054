"""A picture of intervals side by side: what each study said, and what is true."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.results import Forest, Stem
from graft.report.style import INK, MUTED, VERDICT, bare, canvas, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE, GAP = 0.2, 0.9  # inches of a stem; lines between two groups
FAR = 25  # points; an answer beyond would flatten all others, so that it is told in words


def draw(forest: Forest) -> bytes:
    """Return the picture as a PNG: a line for each study, those of a pair together, gains in points."""
    groups = list(dict.fromkeys(stem.group for stem in forest.rows))
    places, at = dict[int, float](), 0.0
    ticks = []
    for group in groups:
        mine = [number for number, stem in enumerate(forest.rows) if stem.group == group]
        for number in mine:
            places[number], at = at, at + 1
        ticks.append((places[mine[0]] + places[mine[-1]]) / 2)
        at += GAP
    with canvas(8.2, LINE * at + 1.2) as figure:
        axes = figure.subplots()
        _prepare(axes, forest, at)
        near = [stem for stem in forest.rows if not _is_far(stem)]
        if ends := [100 * end for stem in near for end in (stem.low, stem.high, stem.truth)]:
            axes.set_xlim(min(*ends, 0) - 1.5, max(*ends, 0) + 1.5)
        for number, stem in enumerate(forest.rows):
            (_tell if _is_far(stem) and near else _draw)(axes, stem, places[number])
        axes.set_yticks(ticks, groups)
        _explain(axes, forest)
        return png(figure)


def _prepare(axes: Axes, forest: Forest, end: float) -> None:
    reach = 100 * forest.margin
    axes.axvspan(-reach, reach, color=MUTED, alpha=0.14, linewidth=0)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_title(f"grey: within the margin of {reach:g}", loc="right", fontsize=8.5, fontweight="normal", color=MUTED)
    axes.set_ylim(end - 0.4, -0.7)
    axes.set_title(forest.title)
    axes.set_xlabel(forest.axis)
    axes.grid(axis="x")
    axes.tick_params(axis="y", labelcolor=INK)
    bare(axes, "left")


def _draw(axes: Axes, stem: Stem, place: float) -> None:
    colour = VERDICT[stem.word]
    low, high, value, truth, error = (
        100 * one for one in (stem.low, stem.high, stem.value, stem.truth, stem.truth_error)
    )
    axes.plot([low, high], [place, place], color=colour, linewidth=3.2, alpha=0.45, solid_capstyle="butt")
    axes.plot([value], [place], "|", color=colour, markersize=9, markeredgewidth=2)
    axes.plot([truth - error, truth + error], [place, place], color=INK, linewidth=1)
    axes.plot([truth], [place], "o", color=INK, markersize=4.2, markeredgecolor="white", markeredgewidth=0.6)


def _is_far(stem: Stem) -> bool:
    return 100 * max(abs(stem.low), abs(stem.high), abs(stem.truth)) > FAR


def _tell(axes: Axes, stem: Stem, place: float) -> None:
    """Write beside the edge what lies beyond it."""
    numbers = (stem.value, stem.low, stem.high, stem.truth)
    value, low, high, truth = (f"{100 * one:+.0f}".replace("-", "−") for one in numbers)
    left = stem.value < 0
    arrow, edge = ("◂ ", 0.01) if left else ("", 0.99)
    text = f"{arrow}{value} ({low} to {high}), truth {truth}{'' if left else ' ▸'}"
    axes.text(edge, place, text, transform=axes.get_yaxis_transform(), ha="left" if left else "right", va="center",
              color=VERDICT[stem.word], fontsize=8.5)  # fmt: skip


def _explain(axes: Axes, forest: Forest) -> None:
    """Name the marks below the axis, the words in their colours."""
    from matplotlib.lines import Line2D

    said = [word for word in VERDICT if any(stem.word == word for stem in forest.rows)]
    marks = [Line2D([], [], color=VERDICT[word], linewidth=3.2, alpha=0.6, label=f"said {word}") for word in said]
    marks.append(Line2D([], [], color=INK, linewidth=1, marker="o", markersize=4.2, label="truth ± its error"))
    axes.figure.legend(handles=marks, loc="outside lower center", ncols=len(marks), handlelength=1.4)
