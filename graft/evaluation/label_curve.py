"""The label curve: both arms' accuracy by number of labels, what a label is worth, what twice as many should give."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from graft.evaluation import multiplier
from graft.evaluation.arms import Arm
from graft.evaluation.bootstrap import Interval, draw_means, make_interval
from graft.evaluation.points import Draws, spread
from graft.evaluation.power_law import FEWEST, fit_power_law

ARMS = ("transfer", "scratch")
COLUMNS = ("arm", "kind", "labels", "labels_per_class", "accuracy", "low", "high")
DOUBLING = ("label_doubling", "label_doubling_low", "label_doubling_high", "label_doubling_check")
KEYS = (*multiplier.KEYS, "label_multiplier_note", *DOUBLING, "label_curve_note")
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CurvePoint:
    """The accuracy of one arm at a number of labelled rows, the mean over seeds."""

    arm: str
    labels: int
    labels_per_class: float
    score: Interval
    projected: bool = False
    """Whether it was not measured, but foretold by the power law through the measured ones."""


@dataclass(frozen=True)
class LabelCurve:
    """Every point, and the flat keys of metrics.json; without points `label_curve_note` says why."""

    points: Sequence[CurvePoint] = ()
    metrics: Mapping[str, Any] = field(default_factory=lambda: dict.fromkeys(KEYS))


class _Series(NamedTuple):
    """One arm: its mean at every count (counts,), and that of every draw (resamples, counts)."""

    means: Array
    draws: Array


def measure_label_curve(path: Path, note: str | None, arms: Mapping[str, Arm], budget: int, draws: Draws) -> LabelCurve:
    """Return the label curve of a run; `path` is its label_curve.parquet, `budget` its number of labelled rows.

    The whole budget is measured by the final models, which are in `arms`. In each draw the test rows are the same for
    all models. Where `note` says why there is no curve every key but that is None.
    """
    if note is not None or not path.is_file():
        return LabelCurve(metrics=dict.fromkeys(KEYS) | {"label_curve_note": note or "The run has no label curve."})
    counts, correct = read_curve(path, arms, budget)
    drawn = draw_means([correct[arm] for arm in ARMS], resamples=draws["resamples"], seed=draws["seed"])
    series = {arm: _Series(correct[arm].mean(axis=(1, 2)), means) for arm, means in zip(ARMS, drawn, strict=True)}
    classes = arms["transfer"].logits.shape[2]
    points = [
        CurvePoint(arm, count, count / classes, make_interval(float(mean), means, draws["confidence"]))
        for arm, one in series.items()
        for count, mean, means in zip(counts, one.means, one.draws.T, strict=True)
    ]
    metrics = dict.fromkeys(KEYS) | _multiply(counts, series, draws["confidence"])
    if len(counts) >= FEWEST:
        for arm, one in series.items():
            doubled, gain = project(counts, one.means, one.draws, draws["confidence"])
            points.append(CurvePoint(arm, 2 * budget, 2 * budget / classes, doubled, projected=True))
            if arm == "transfer":
                metrics |= spread("label_doubling", gain) | {"label_doubling_check": _foretell_last(counts, one)}
    return LabelCurve(points, metrics)


def read_curve(path: Path, arms: Mapping[str, Arm], budget: int) -> tuple[list[int], dict[str, npt.NDArray[np.bool_]]]:
    """Return the counts, and by arm whether each model is right, (counts, seeds, test rows)."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    keys = [np.asarray(table[name]) for name in ("labels", "seed", "row")]
    arm_of = np.asarray(table["arm"].to_pylist())
    predicted = np.stack(table["logits"].to_numpy()).argmax(axis=1)
    counts, rows = np.unique(keys[0]), np.unique(keys[2])
    found = {}
    for arm in ARMS:
        mine = np.flatnonzero(arm_of == arm)
        order = mine[np.lexsort([key[mine] for key in reversed(keys)])]
        truth = arms[arm].labels[rows]
        parts = predicted[order].reshape(len(counts), -1, len(rows)) == truth
        found[arm] = np.concatenate([parts, arms[arm].correct[None][:, :, rows]])
    return [*map(int, counts), budget], found


def project(counts: Sequence[int], means: Array, draws: Array, confidence: float) -> tuple[Interval, Interval]:
    """Return the accuracy at twice the last count, and the gain from there, by the power law through the counts.

    The law is fitted anew in every draw. The gain is that between two points of the law; added to what was measured it
    gives the accuracy, so that the error of the fit at the last count does not pass for a gain.
    """
    last = counts[-1]
    law = fit_power_law(counts, 1 - np.vstack([means, draws]))
    gains = law.error(last) - law.error(2 * last)
    reached = np.minimum(np.concatenate([means[-1:], draws[:, -1]]) + gains, 1.0)
    doubled, gain = (make_interval(float(one[0]), one[1:], confidence) for one in (reached, gains))
    return doubled, gain


def write_label_curve(path: Path, curve: LabelCurve) -> None:
    """Write label_curve.csv."""
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for one in curve.points:
            shares = (f"{value:.6f}" for value in (one.score.value, one.score.low, one.score.high))
            kind = "projected" if one.projected else "measured"
            writer.writerow((one.arm, kind, one.labels, f"{one.labels_per_class:g}", *shares))


def _multiply(counts: Sequence[int], series: Mapping[str, _Series], confidence: float) -> dict[str, Any]:
    means, draws = ({arm: getattr(one, name) for arm, one in series.items()} for name in ("means", "draws"))
    found = multiplier.find_multiplier(counts, means, draws, confidence)
    return {"label_multiplier_note": found} if isinstance(found, str) else found.metrics()


def _foretell_last(counts: Sequence[int], one: _Series) -> float | None:
    """Return what the law through all counts but the last says of the last: how well such foretelling holds here."""
    if len(counts) <= FEWEST:
        return None
    law = fit_power_law(counts[:-1], 1 - one.means[:-1])
    return float(1 - law.error(counts[-1])[0])
