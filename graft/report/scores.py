"""What the cheap scores said of every depth, against what training from there up reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, factorial
from typing import TYPE_CHECKING, Any

from graft.evaluation.verdict import signed
from graft.ranking.depths import Depth, correlate_depths, read_depths
from graft.ranking.history import Unknown
from graft.report.style import INK, MUTED, RULE, SCRATCH, TRANSFER, bare, canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3
Study = Mapping[str, Any]


def scores_figure(study: Study) -> Figure:
    """Return a panel of what each depth reached in validation, and one for each score with its tau.

    From left to right more stays frozen. Behind each score the outcome is drawn again, stretched to the panel, so
    that the eye compares orders, which is all that a tau compares.
    """
    depths = read_depths(study)
    taus = correlate_depths(depths, study.get("higher_is_better", True))
    order = sorted(taus, key=lambda name: _height(taus[name]), reverse=True)
    rows = ceil((len(order) + 1) / COLUMNS)
    with canvas(9.6, 0.35 + 1.75 * rows) as figure:
        panels = figure.subplots(rows, COLUMNS, squeeze=False).flatten()
        _draw_outcomes(panels[0], depths, study)
        same = len({str(tau) for tau in taus.values()}) == 1  # then the sentence above the figure has said it
        for axes, name in zip(panels[1:], order, strict=False):
            _draw_score(axes, depths, name, Unknown("") if same and isinstance(taus[name], Unknown) else taus[name])
        for axes in panels[len(order) + 1 :]:
            axes.set_axis_off()
        for axes in panels[: len(order) + 1]:
            _label_depths(axes, depths)
        figure.supxlabel("frozen up to and with this layer group", fontsize=9, color=MUTED)
    return figure


def scores_sentence(study: Study) -> str:
    """Return in a sentence or two how far the scores were right here, and how far that may be believed."""
    depths = read_depths(study)
    taus = correlate_depths(depths, study.get("higher_is_better", True))
    known = {name: tau for name, tau in taus.items() if not isinstance(tau, Unknown)}
    tried = sum(depth.best is not None for depth in depths)
    if not known:
        reasons = sorted({str(reason) for reason in taus.values()})
        return f"No score can be compared with what the depths reached: {'; '.join(reasons)}."
    best, worst = max(known, key=lambda name: known[name]), min(known, key=lambda name: known[name])
    found = (
        f"Over the {tried} depths that were trained from, {best} agreed best with validation (τ {_tau(known[best])})"
    )
    if len(known) > 1:
        found += f" and {worst} least (τ {_tau(known[worst])})"
    chance = f"of the {factorial(tried)} orders of {tried} depths one agrees wholly by chance" if tried <= 5 else ""
    return f"{found}.{f' That is rough: {chance}, and these are {len(known)} scores.' if chance else ''}"


def scores_table(study: Study) -> list[tuple[str, str, float | None, float | None]]:
    """Return for each boundary what trained from there: strategy, validation mean, and gain over the control there."""
    control = next((one["mean"] for one in study["candidates"] if one["strategy"] == "scratch"), None)
    rows = []
    for depth in read_depths(study):
        mean = None if depth.best is None else depth.best["mean"]
        gain = None if mean is None or control is None else mean - control
        rows.append((depth.boundary, "" if depth.best is None else depth.best["strategy"], mean, gain))
    return rows


def _draw_outcomes(axes: Axes, depths: Sequence[Depth], study: Study) -> None:
    """Draw the best validation mean of each depth, with lines where everything trained and where nothing was given."""
    winner = study["winner"]
    for place, depth in enumerate(depths):
        if depth.best is None:
            continue
        chosen = all(depth.best[key] == winner[key] for key in ("strategy", "learning_rate"))
        spread = 100 * (depth.best["standard_error"] or 0)
        axes.errorbar(place, 100 * depth.best["mean"], yerr=spread, fmt="o", color=INK, markersize=7 if chosen else 5,
                      mfc=INK if chosen else "white", mew=1.5, elinewidth=1.4)  # fmt: skip
    stem = study["groups"][0]["name"]
    whole = [one for one in study["candidates"] if one["strategy"] != "scratch" and one["trained_groups"][0] == stem]
    control = [one for one in study["candidates"] if one["strategy"] == "scratch"]
    sign = 1.0 if study.get("higher_is_better", True) else -1.0
    levels = [
        (100 * max((one["mean"] for one in ones), key=lambda mean: sign * mean), words, colour)
        for ones, words, colour in ((whole, "all trained", TRANSFER), (control, "scratch", SCRATCH))
        if ones
    ]
    for place, (level, words, colour) in enumerate(sorted(levels)):
        above = place == len(levels) - 1  # the higher line's words stand above it, and so no words on the other line's
        axes.axhline(level, color=colour, linewidth=1.1, linestyle=(0, (4, 2)), zorder=1)
        axes.annotate(
            f"{words} {level:.1f}",
            (0, level),
            (3, 3 if above else -3),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="bottom" if above else "top",
            color=colour,
            fontsize=8,
        )
    axes.set_title("reached in validation, %")
    axes.margins(y=0.22)
    bare(axes)


def _draw_score(axes: Axes, depths: Sequence[Depth], name: str, tau: float | Unknown) -> None:
    axes.set_title(name, color=TRANSFER)
    bare(axes)
    values = [(place, depth.scores[name]) for place, depth in enumerate(depths) if name in depth.scores]
    if not values:
        axes.text(0.5, 0.5, _wrapped(str(tau)), transform=axes.transAxes, ha="center", va="center", color=MUTED,
                  fontsize=8.5)  # fmt: skip
        axes.set_yticks([])
        return
    axes.set_title("" if isinstance(tau, Unknown) else f"τ {_tau(tau)}", loc="right", fontsize=10, color=INK)
    places, heights = zip(*values, strict=True)
    low, high = min(heights), max(heights)
    if low < high:
        _draw_behind(axes, depths, low, high)
        axes.set_ylim(low - 0.15 * (high - low), high + 0.15 * (high - low))
    axes.plot(places, heights, "o-", color=TRANSFER, linewidth=1.5, markersize=5, zorder=3)
    ticks = sorted({low, high})
    axes.set_yticks(ticks, [f"{value:.3g}".replace("-", "\N{MINUS SIGN}") for value in ticks])
    if isinstance(tau, Unknown):
        axes.text(0.5, 0.82, _wrapped(str(tau)), transform=axes.transAxes, ha="center", color=MUTED, fontsize=8.5)


def _draw_behind(axes: Axes, depths: Sequence[Depth], low: float, high: float) -> None:
    """Draw the outcome stretched to a score's range."""
    reached = [(place, depth.best["mean"]) for place, depth in enumerate(depths) if depth.best is not None]
    least, most = (edge((mean for _, mean in reached), default=0.0) for edge in (min, max))
    if least < most:
        stretched = [low + (high - low) * (mean - least) / (most - least) for _, mean in reached]
        axes.plot([place for place, _ in reached], stretched, color=RULE, linewidth=6, solid_capstyle="round", zorder=1)


def _label_depths(axes: Axes, depths: Sequence[Depth]) -> None:
    """Name every depth, or on a deep network every second, third and so on."""
    every = ceil(len(depths) / 7)
    places = range((len(depths) - 1) % every, len(depths), every)
    axes.set_xticks(list(places), [depths[place].boundary.removeprefix("block ") for place in places])
    axes.set_xlim(-0.5, len(depths) - 0.5)


def _tau(value: float) -> str:
    return signed(value, 2)


def _height(tau: float | Unknown) -> float:
    return -2.0 if isinstance(tau, Unknown) else tau


def _wrapped(text: str) -> str:
    from textwrap import fill

    return fill(text, 28)
