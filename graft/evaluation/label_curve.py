"""The label curve: both arms' metric by number of labels, what a label is worth, what twice as many should give."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from graft.evaluation import multiplier
from graft.evaluation.arms import Arm, grade_all, take_truths
from graft.evaluation.bootstrap import Interval, draw_means, make_interval
from graft.evaluation.points import Draws, spread
from graft.evaluation.power_law import FEWEST, fit_power_law
from graft.problems.grades import Grades

if TYPE_CHECKING:
    from graft.problems import Problem

ARMS = ("transfer", "scratch")
COLUMNS = ("arm", "kind", "labels", "labels_per_class", "score", "low", "high")
DOUBLING = ("label_doubling", "label_doubling_low", "label_doubling_high", "label_doubling_check")
KEYS = (*multiplier.KEYS, "label_multiplier_note", *DOUBLING, "label_curve_note")
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CurvePoint:
    """The metric of one arm at a number of labelled rows, the mean over seeds."""

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


def measure_label_curve(
    path: Path, note: str | None, problem: Problem, arms: Mapping[str, Arm], budget: int, draws: Draws, classes: int
) -> LabelCurve:
    """Return the label curve of a run; `path` is its label_curve.parquet, `budget` its number of labelled rows.

    `classes` is how many of them a number of labels per class is of, 1 where there are none.

    The whole budget is measured by the final models, which are in `arms`. In each draw the test rows are the same for
    all models. Where `note` says why there is no curve every key but that is None.
    """
    if note is not None or not path.is_file():
        return LabelCurve(metrics=dict.fromkeys(KEYS) | {"label_curve_note": note or "The run has no label curve."})
    counts, graded = read_curve(path, problem, arms, budget)
    drawn = draw_means([graded[arm] for arm in ARMS], resamples=draws["resamples"], seed=draws["seed"])
    series = {
        arm: _Series(np.array([one.mean for one in graded[arm]]), means) for arm, means in zip(ARMS, drawn, strict=True)
    }
    rises = problem.higher_is_better
    points = [
        CurvePoint(arm, count, count / classes, make_interval(float(mean), means, draws["confidence"]))
        for arm, one in series.items()
        for count, mean, means in zip(counts, one.means, one.draws.T, strict=True)
    ]
    metrics = dict.fromkeys(KEYS) | _multiply(counts, series, draws["confidence"], rises)
    if len(counts) >= FEWEST:
        for arm, one in series.items():
            doubled, gain = project(counts, one.means, one.draws, draws["confidence"], rises)
            points.append(CurvePoint(arm, 2 * budget, 2 * budget / classes, doubled, projected=True))
            if arm == "transfer":
                metrics |= spread("label_doubling", gain) | {"label_doubling_check": _foretell_last(counts, one, rises)}
    return LabelCurve(points, metrics)


def read_curve(
    path: Path, problem: Problem, arms: Mapping[str, Arm], budget: int
) -> tuple[list[int], dict[str, list[Grades]]]:
    """Return the counts, and by arm what the models of each count earn on the test rows."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    keys = [np.asarray(table[name]) for name in ("labels", "seed", "row")]
    arm_of = np.asarray(table["arm"].to_pylist())
    answers = np.stack(table["answers"].to_numpy())
    counts, rows = np.unique(keys[0]), np.unique(keys[2])
    found = {}
    for arm in ARMS:
        mine = np.flatnonzero(arm_of == arm)
        order = mine[np.lexsort([key[mine] for key in reversed(keys)])]
        truths = take_truths(arms[arm].truths, rows)
        parts = answers[order].reshape(len(counts), -1, len(rows), answers.shape[1])
        found[arm] = [grade_all(problem, list(models), truths) for models in parts] + [arms[arm].grades.take(rows)]
    return [*map(int, counts), budget], found


def project(
    counts: Sequence[int], means: Array, draws: Array, confidence: float, rises: bool = True
) -> tuple[Interval, Interval]:
    """Return the metric at twice the last count, and the gain from there, by the power law through the counts.

    The law is fitted anew in every draw. The gain is that between two points of the law; added to what was measured it
    gives the metric, so that the error of the fit at the last count does not pass for a gain.
    """
    last = counts[-1]
    law = fit_power_law(counts, _error(np.vstack([means, draws]), rises))
    gains = law.error(last) - law.error(2 * last)
    now = np.concatenate([means[-1:], draws[:, -1]])
    reached = np.minimum(now + gains, 1.0) if rises else np.maximum(now - gains, 0.0)
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


def _error(scores: Array, rises: bool) -> Array:
    """Return what falls with labels and is never below zero: a loss is that, a share is what it lacks of one."""
    return 1 - scores if rises else scores


def _multiply(counts: Sequence[int], series: Mapping[str, _Series], confidence: float, rises: bool) -> dict[str, Any]:
    sign = 1 if rises else -1
    means, draws = ({arm: sign * getattr(one, name) for arm, one in series.items()} for name in ("means", "draws"))
    found = multiplier.find_multiplier(counts, means, draws, confidence)
    return {"label_multiplier_note": found} if isinstance(found, str) else found.metrics()


def _foretell_last(counts: Sequence[int], one: _Series, rises: bool) -> float | None:
    """Return what the law through all counts but the last says of the last: how well such foretelling holds here."""
    if len(counts) <= FEWEST:
        return None
    law = fit_power_law(counts[:-1], _error(one.means[:-1], rises))
    return float(_error(law.error(counts[-1]), rises)[0])
