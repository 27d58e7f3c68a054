"""The plots of a report. Each returns a figure; `verdict_plot` is also the dashboard's picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from graft.evaluation.calibration import Bin
from graft.evaluation.units import digits, percent, scale, unit
from graft.evaluation.verdict import signed, title_of
from graft.report.style import BAND, INK, RULE, SCRATCH, TRANSFER, VERDICT, bare, canvas, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Metrics = Mapping[str, Any]


def verdict_plot(metrics: Metrics) -> bytes:
    """Return the verdict as a PNG: both arms with their intervals, the gain against zero and the margin."""
    return png(verdict_figure(metrics))


def verdict_figure(metrics: Metrics) -> Figure:
    """Return both arms above, and below the interval of the gain on zero line and margin."""
    with canvas(5.6, 2.9) as figure:
        above, below = figure.subplots(2, 1, height_ratios=(2, 1.55), gridspec_kw={"hspace": 0.14})
        _draw_arms(above, metrics)
        _draw_gain(below, metrics)
    return figure


def candidates_figure(
    candidates: Sequence[Mapping[str, Any]], winner: Mapping[str, Any], metric: str = "accuracy", rises: bool = True
) -> Figure:
    """Return every candidate's validation mean with one standard error on either side, best on top."""
    sign, times = 1 if rises else -1, scale(metric)
    ranked = sorted(candidates, key=lambda candidate: (sign * candidate["mean"], candidate["strategy"]))
    with canvas(5.6, 0.75 + 0.31 * len(ranked)) as figure:
        axes = figure.subplots()
        for place, candidate in enumerate(ranked):
            scratch, chosen = candidate["strategy"] == "scratch", _same(candidate, winner)
            colour = SCRATCH if scratch else TRANSFER
            spread = times * (candidate["standard_error"] or 0)
            axes.errorbar(
                times * candidate["mean"], place, xerr=spread, fmt="D" if scratch else "o", color=colour, capsize=3,
                markersize=8 if chosen else 6, mfc=colour if chosen or scratch else "white", mew=1.6, elinewidth=1.6,
            )  # fmt: skip
        axes.set_yticks(range(len(ranked)), [_named(candidate) for candidate in ranked])
        for label, candidate in zip(axes.get_yticklabels(), ranked, strict=True):
            label.set_color(INK)
            label.set_fontweight("bold" if _same(candidate, winner) else "normal")
        axes.set_ylim(-0.6, len(ranked) - 0.4)
        axes.set_xlabel(f"validation score{percent(metric)}, mean ± one standard error")
        axes.grid(axis="x")
        bare(axes, "left")
    return figure


def curves_figure(curves: Sequence[Mapping[str, str]], choices: Sequence[Mapping[str, Any]]) -> Figure:
    """Return the final models' training losses, and the mean validation score of the chosen settings' trials.

    `choices` are winner and control; the score's panel is there only where it was measured along the way.
    """
    with canvas(5.6, 2.9) as figure:
        chosen = [row for row in curves if any(_same(row, choice) for choice in choices)]
        scored = _series(chosen, "validation_metric", ("candidate", "control"), per_seed=False)
        panels = figure.subplots(1, 2 if scored else 1, squeeze=False)[0]
        losses = _series(chosen, "train_loss", ("final-winner", "final-control"), per_seed=True)
        _draw_series(panels[0], losses, "Training loss, by seed")
        if scored:
            _draw_series(panels[1], scored, "Mean validation score")
    return figure


def confusion_figure(matrix: npt.NDArray[np.int64], labels: Sequence[str]) -> Figure:
    """Return the confusion matrix, shaded by the share of each true label's rows."""
    classes, few = len(labels), len(labels) <= 15
    side = min(max(2.4, 0.42 * classes + 0.8), 6.4)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    with canvas(side + 1.0, side + 0.3) as figure:
        axes = figure.subplots()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        if few:
            for (true, predicted), rows in np.ndenumerate(matrix):
                colour = "white" if shares[true, predicted] > 0.55 else INK if rows else RULE
                axes.text(predicted, true, str(rows), ha="center", va="center", color=colour, fontsize=9.5)
        names = [_short(label) for label in labels]
        long = max(map(len, names), default=0) > 4
        axes.set_xticks(range(classes), names, rotation=40 if long else 0, ha="right" if long else "center")
        axes.set_yticks(range(classes), names)
        axes.set(xlabel="predicted", ylabel="true")
        bare(axes, "left", "bottom")
    return figure


def reliability_figure(before: Sequence[Bin], after: Sequence[Bin]) -> Figure:
    """Return the share of right answers by confidence, before and after temperature scaling; areas go with rows."""
    with canvas(5.6, 3.2) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for axes, bins, title in zip(panels, (before, after), ("Before scaling", "After scaling"), strict=True):
            axes.plot([0, 1], [0, 1], color=RULE, linewidth=1.2, zorder=1)
            rows = np.array([found.rows for found in bins], dtype=float)
            x, y = [found.confidence for found in bins], [found.accuracy for found in bins]
            axes.vlines(x, x, y, color=SCRATCH, linewidth=1.4, zorder=2)
            axes.scatter(x, y, s=14 + 180 * rows / max(rows.sum(), 1), color=TRANSFER, alpha=0.9, zorder=3)
            axes.set(xlim=(0, 1.03), ylim=(0, 1.03), xlabel="confidence", title=title)
            axes.set_aspect("equal")
            bare(axes)
        panels[0].set_ylabel("share right")
    return figure


def _draw_arms(axes: Axes, metrics: Metrics) -> None:
    for place, (arm, colour) in enumerate((("scratch", SCRATCH), ("transfer", TRANSFER))):
        value, low, high = (scale(metrics["metric"]) * metrics[f"{arm}{end}"] for end in ("", "_low", "_high"))
        axes.plot([low, high], [place, place], color=colour, linewidth=7, alpha=0.3, solid_capstyle="butt")
        axes.plot(value, place, "o", color=colour, markersize=8)
        axes.annotate(
            f"{value:.{digits(metrics['metric'])}f}", (value, place), (0, 8), textcoords="offset points", ha="center",
            color=colour, fontweight="bold",
        )  # fmt: skip
    axes.set_yticks([0, 1], ["from scratch", "transfer"])
    axes.tick_params(axis="y", labelcolor=INK, labelsize=10)
    axes.set(ylim=(-0.5, 1.75), title=f"{title_of(metrics['metric'])} on test{percent(metrics['metric'])}")
    axes.margins(x=0.12)
    axes.grid(axis="x")
    bare(axes, "left")


def _draw_gain(axes: Axes, metrics: Metrics) -> None:
    times, shown = scale(metrics["metric"]), digits(metrics["metric"])
    gain, low, high = (times * metrics[key] for key in ("gain", "gain_low", "gain_high"))
    margin, colour = times * metrics["margin"], VERDICT[metrics["verdict"]]
    axes.axvspan(-margin, margin, color=BAND, linewidth=0)
    axes.axvline(0, color=INK, linewidth=1.2)
    axes.plot([low, high], [0, 0], color=colour, linewidth=7, alpha=0.35, solid_capstyle="butt")
    axes.plot(gain, 0, "o", color=colour, markersize=8)
    axes.annotate(f"{signed(gain, shown)}  ({signed(low, shown)} to {signed(high, shown)})", (gain, 0), (0, 9),
                  textcoords="offset points", ha="center", color=colour, fontweight="bold")  # fmt: skip
    reach = max(abs(low), abs(high), 2 * margin, 0.005 * times)
    left, right = min(low, -margin, 0) - 0.18 * reach, max(high, margin, 0) + 0.18 * reach
    width = right - left
    axes.set_xlim(min(left, gain - 0.28 * width), max(right, gain + 0.28 * width))  # room for the numbers above
    axes.set(
        ylim=(-0.6, 1.15),
        title=f"Gain in {unit(metrics['metric'])} (grey: ±{margin:g}, too small to matter)",
        yticks=[],
    )
    bare(axes, "left")


def _draw_series(axes: Axes, series: Mapping[tuple[str, str], list[tuple[float, float]]], title: str) -> None:
    styles = {"from scratch": (SCRATCH, "--"), "transfer": (TRANSFER, "-")}
    shown: set[str] = set()
    for (arm, _), points in sorted(series.items()):
        colour, line = styles[arm]
        x, y = np.array(points).T
        axes.plot(x, y, line, color=colour, linewidth=1.4, alpha=0.85, label=None if arm in shown else arm,
                  marker="o" if len(x) == 1 else None)  # fmt: skip
        shown.add(arm)
    axes.set(title=title, xlabel="optimizer step")
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.grid(axis="y")
    bare(axes)
    if shown:
        axes.legend()


def _series(
    curves: Sequence[Mapping[str, str]], column: str, roles: Sequence[str], per_seed: bool
) -> dict[tuple[str, str], list[tuple[float, float]]]:
    """Return a column's means by step, for each arm, and for each of its seeds where asked."""
    values: dict[tuple[str, str], dict[float, list[float]]] = {}
    for row in curves:
        if row["role"] in roles and row[column]:
            arm = "from scratch" if row["strategy"] == "scratch" else "transfer"
            steps = values.setdefault((arm, row["seed"] if per_seed else ""), {})
            steps.setdefault(float(row["step"]), []).append(float(row[column]))
    return {
        key: [(step, float(np.mean(found))) for step, found in sorted(steps.items())] for key, steps in values.items()
    }


def _same(row: Mapping[str, Any], choice: Mapping[str, Any]) -> bool:
    """Say whether a row, of JSON or of a CSV, is of a choice's strategy and learning rate."""
    return bool(row["strategy"] == choice["strategy"] and float(row["learning_rate"]) == float(choice["learning_rate"]))


def _named(candidate: Mapping[str, Any]) -> str:
    return f"{candidate['strategy']}  {candidate['learning_rate']:g}"


def _short(label: str) -> str:
    # a dollar sign would start mathematics in matplotlib
    return (label if len(label) <= 14 else f"{label[:13]}…").replace("$", r"\$")
