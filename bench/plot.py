"""A picture of one result: each reading with its spread, its aim, and the line where ours and the peer are even."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image

from bench import forest, standings
from bench.results import Against, Measured, Result, Scale
from bench.table import amount, guard, reading
from graft.report.style import GREEN, INK, MUTED, RED, bare, canvas, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE, MARGIN = 0.56, 0.62  # inches, of a peer and of a panel around its peers
COLOURS = {True: GREEN, False: RED, None: MUTED}
PALETTE, WIDE_PALETTE = 64, 256
TICKS = [1, 2, 5, 10, 20, 50, 100, 200, 500]


def draw(result: Result) -> bytes:
    """Return the picture as a PNG: a panel for each comparison, those of one scale on the same axis; or intervals."""
    if result.conclusion.forest is not None:
        return _reduce(forest.draw(result.conclusion.forest), WIDE_PALETTE)
    if result.conclusion.standings is not None:
        return _reduce(standings.draw(result.conclusion.standings), WIDE_PALETTE)
    sizes = [LINE * len(measured.against) + MARGIN for measured in result.comparisons]
    with canvas(7.2, sum(sizes) + 0.2) as figure:
        panels = figure.subplots(len(sizes), 1, height_ratios=sizes, squeeze=False)[:, 0]
        for axes, measured in zip(panels, result.comparisons, strict=True):
            _draw(axes, measured)
            _scale(axes, measured.scale, [one for one in result.comparisons if one.scale == measured.scale])
    return _reduce(png(figure))


def _reduce(picture: bytes, colours: int = PALETTE) -> bytes:
    """Return a picture in few colours: flat ones need no more, and it is committed."""
    stream = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as full:
        full.convert("RGB").quantize(colours).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _draw(axes: Axes, measured: Measured) -> None:
    against = measured.against[::-1]  # the first on top
    for place, one in enumerate(against):
        _draw_reading(axes, measured, one, place)
    axes.set_yticks(range(len(against)), [one.peer for one in against])
    axes.tick_params(axis="y", labelcolor=INK)
    axes.set_ylim(-0.6, len(against) - 0.3)
    axes.set_title(measured.title)
    axes.set_title(measured.scale.words, loc="right", fontsize=8.5, fontweight="normal", color=MUTED)
    axes.set_xlabel(f"guard: {guard(measured.guard)}", fontsize=8.5, loc="left")
    axes.grid(axis="x")
    bare(axes, "left")


def _scale(axes: Axes, scale: Scale, together: Sequence[Measured]) -> None:
    """Lay out the axis of readings for all comparisons of this scale."""
    against = [one for measured in together for one in measured.against]
    ends = [end for one in against for end in (one.reading.low, one.reading.high, one.aim) if end is not None]
    if scale.unit == "%":
        axes.axvline(0, color=INK, linewidth=1.1, zorder=1)
        axes.set_xlim(min(*ends, 0.0), 1.15 * max(ends))
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    else:
        axes.axvline(1, color=INK, linewidth=1.1, zorder=1)
        axes.set_xscale("log")
        axes.set_xticks(TICKS, [f"{tick}×" for tick in TICKS])
        axes.set_xticks([], minor=True)
        axes.set_xlim(min(*ends, 1.0) / 1.7, 1.8 * max(ends))


def _draw_reading(axes: Axes, measured: Measured, against: Against, place: int) -> None:
    from matplotlib.patheffects import withStroke

    scale, found, colour = measured.scale, against.reading, COLOURS[against.reached]
    if against.aim is not None:
        axes.plot([against.aim] * 2, [place - 0.34, place + 0.18], color=INK, linewidth=1.6, linestyle=(0, (2, 1.5)))
        axes.annotate(f"aim {amount(scale, against.aim)}", (against.aim, place - 0.36), (4, 0), color=MUTED,
                      textcoords="offset points", fontsize=8, va="bottom")  # fmt: skip
    axes.plot([found.low, found.high], [place, place], color=colour, linewidth=7, alpha=0.3, solid_capstyle="butt")
    axes.plot(found.median, place, "o", color=colour, markersize=7)
    axes.annotate(reading(measured, found), (found.median, place), (0, 8), textcoords="offset points", ha="center",
                  color=colour, fontweight="bold", fontsize=9,
                  path_effects=[withStroke(linewidth=3, foreground="white")])  # fmt: skip
