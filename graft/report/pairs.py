"""Pairs in the report: the ROC of both arms, and the pairs that were told wrongly by the widest margin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from graft.errors import place_of
from graft.evaluation.arms import Arm
from graft.problems.overlays import side_by_side
from graft.problems.pairs import RATES, Compared, compare, equal_error_threshold, faces_of, roc
from graft.report.evidence import Mistake
from graft.report.inputs import DRAWN, picture_uri
from graft.report.style import INK, MUTED, RULE, SCRATCH, TRANSFER, canvas

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.figure import Figure

EACH = 6  # pairs shown of either kind of error
SAYS = {True: "the same", False: "different"}
ARMS = {"transfer": ("transfer", TRANSFER, "-"), "scratch": ("from scratch", SCRATCH, "--")}
Curve = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""False accept rates, and true accept rates at them."""


def hardest_pairs(table: pa.Table, winner: Arm) -> list[Mistake]:
    """Return the pairs that the packaged model told wrongly where both error rates are equal, false rejects first.

    Of either error those farthest from that threshold.
    """
    found = compare(winner.answers[0], faces_of(winner.truths))
    if not found.tells:
        return []
    threshold = equal_error_threshold(found)
    accepted = found.similarity >= threshold
    wrong = []
    for same in (True, False):
        missed = np.flatnonzero((found.same == same) & (accepted != same))
        order = np.argsort(-np.abs(found.similarity[missed] - threshold), kind="stable")
        wrong += missed[order][:EACH].tolist()
    return [_show(table, found, pair) for pair in wrong]


def _show(table: pa.Table, found: Compared, pair: int) -> Mistake:
    from graft.reading import open_image

    rows = table.take([int(found.first[pair]), int(found.second[pair])]).to_pylist()
    same, similarity = bool(found.same[pair]), float(found.similarity[pair])
    who = dict.fromkeys(row["identity"] for row in rows)
    return Mistake(
        label=SAYS[same],
        predicted=f"{SAYS[not same]}, similarity {_rounded(similarity)}",
        probability=None,
        place=f"{' and '.join(who)}: {' and '.join(map(place_of, rows))}",
        image=picture_uri(side_by_side(*(open_image(row["image"]) for row in rows)), DRAWN),
    )


def _rounded(similarity: float) -> str:
    return f"{round(similarity, 2) + 0.0:.2f}".replace("-", "\N{MINUS SIGN}")


def accept_curves(arms: Mapping[str, Arm]) -> dict[str, Curve]:
    """Return the curve of the packaged model, and that of the control of the same seed."""
    curves = {}
    for arm in ARMS:
        found = compare(arms[arm].answers[0], faces_of(arms[arm].truths))
        if found.tells:
            curves[arm] = roc(found, corners=True)[:2]
    return curves


def accepts_figure(curves: Mapping[str, Curve], metrics: Mapping[str, Any]) -> Figure:
    """Return true accepts against false ones on a logarithmic axis; dots are the package at its thresholds."""
    with canvas(5.6, 3.4) as figure:
        axes = figure.subplots()
        least = min(min(far[far > 0].min(initial=1e-2) for far, _ in curves.values()), 1e-3)
        line = np.geomspace(least, 1, 200)
        axes.plot(line, 1 - line, color=RULE, linewidth=1.2)
        axes.annotate("equal errors", (line[60], 1 - line[60]), (0, -12), textcoords="offset points", color=MUTED,
                      fontsize=8)  # fmt: skip
        for arm, (far, tar) in curves.items():
            label, colour, dashes = ARMS[arm]
            axes.plot(np.maximum(far, least), tar, dashes, color=colour, linewidth=1.8, label=label,
                      drawstyle="steps-post")  # fmt: skip
        for name, rate in RATES.items():
            if rate > least:
                axes.axvline(rate, color=RULE, linewidth=1.0, linestyle=":")
            if (measured := metrics.get(f"threshold_{name}_far")) is not None and metrics["transfer"] is not None:
                accepted = metrics[f"threshold_{name}_tar"]
                axes.plot(max(measured, least), accepted, "o", color=TRANSFER, markersize=6, mec="white")
        axes.set(xscale="log", xlim=(least, 1), ylim=(0, 1.02), xlabel="false accept rate", ylabel="true accept rate")
        axes.legend(loc="lower right", labelcolor=INK)
        axes.grid(axis="y")
    return figure


def thresholds_table(metrics: Mapping[str, Any]) -> Sequence[tuple[str, float | None, float | None, float | None]]:
    """Return for each rate its name, the similarity that the package decides at, and both rates on test."""
    keys = [(name, f"threshold_{name}") for name in RATES]
    return [
        (f"{100 * RATES[name]:g} %", metrics[key], metrics[f"{key}_tar"], metrics[f"{key}_far"])
        for name, key in keys
        if key in metrics
    ]
