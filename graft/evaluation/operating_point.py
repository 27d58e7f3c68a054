"""The operating point of two classes: from which probability on one of them is said, and what that gives on test.

The threshold is chosen on predictions for rows that trials held out of their training, never on test rows; a threshold
that is chosen on test is too good there (Ewald 2006, Post hoc choice of cut points introduced bias).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from graft.errors import CheckpointError
from graft.evaluation.bootstrap import compare, estimate
from graft.evaluation.calibration import softmax
from graft.evaluation.measures import read_held
from graft.evaluation.points import Draws, spread
from graft.problems.grades import Grades

if TYPE_CHECKING:
    from graft.catalog import Evaluation
    from graft.evaluation.arms import Arm
    from graft.problems import Problem

ARMS = ("transfer", "scratch")
HELD = {"transfer": "validation.parquet", "scratch": "validation_scratch.parquet"}
RATES = ("sensitivity", "specificity", "ppv", "npv")
FEWEST = 10  # positive test rows of a group below which its sensitivity says nothing
ENDS = ("", "_low", "_high")
KEYS = (
    "positive", "prevalence", "threshold", "threshold_scratch", "threshold_rule",
    "validation_sensitivity", "validation_specificity", "validation_rows", "validation_positives",
    *(f"{rate}{kind}{end}" for rate in RATES for kind in ("", "_scratch", "_gain") for end in ENDS),
    *(f"worst_group_sensitivity{kind}{end}" for kind in ("", "_scratch") for end in (*ENDS, "_name", "_rows")),
)  # fmt: skip
"""Keys of metrics.json, all None where the catalogue names no positive class."""
Shares = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class RocCurve:
    """Of one model of an arm: the share of negatives and of positives that are called positive, by threshold."""

    arm: str
    false_positives: Shares
    true_positives: Shares


@dataclass(frozen=True)
class OperatingPoint:
    """The flat keys of metrics.json, and the curves that the point lies on; none without a positive class."""

    metrics: Mapping[str, Any]
    curves: Sequence[RocCurve] = ()


def choose_threshold(shares: Shares, truths: Truths, min_sensitivity: float | None = None) -> float:
    """Return the probability from which on rows are called positive: halfway between two that occur.

    Without `min_sensitivity` the one with the largest J = sensitivity + specificity - 1 (Youden 1950), of equal ones
    that of the highest sensitivity; with it the highest that has at least this sensitivity.
    """
    rising, place = np.unique(shares, return_inverse=True)
    values = rising[::-1]  # a cut lies above the highest, between any two, and below the lowest
    cuts = (np.concatenate([[2.0 - values[0]], values]) + np.concatenate([values, [-values[-1]]])) / 2
    hits, misses = (np.bincount(place, side, len(rising))[::-1] for side in (truths, ~truths))
    sensitivity, alarms = (np.concatenate([[0.0], side.cumsum()]) / max(side.sum(), 1) for side in (hits, misses))
    if min_sensitivity is not None:
        return float(cuts[np.argmax(sensitivity >= min_sensitivity)])
    index = np.round(sensitivity - alarms, 12)  # J = sensitivity - (1 - specificity)
    return float(cuts[np.flatnonzero(index == index.max())[-1]])


def measure_operating_point(
    run: Path,
    asked: Evaluation,
    problem: Problem,
    arms: Mapping[str, Arm],
    temperature: float,
    groups: Sequence[str] | None,
    draws: Draws,
) -> OperatingPoint:
    """Return sensitivity, specificity and predictive values of either arm at a threshold of its own, with intervals.

    `run` holds what either arm predicted for rows held out of its training. Probabilities of the winner are scaled by
    the `temperature` of the package, whose threshold this is. Raises CheckpointError for a run that lacks it.
    """
    positive = asked.positive_among(problem.labels)
    if positive is None:
        return OperatingPoint(dict.fromkeys(KEYS))
    truths = np.asarray(arms["transfer"].truths) == positive
    scales, said, found, curves = {"transfer": temperature, "scratch": 1.0}, {}, dict.fromkeys(KEYS, None), []
    known: dict[str, Any] = {**found, "positive": problem.labels[positive], "prevalence": float(truths.mean())}
    known["threshold_rule"] = _rule(asked.min_sensitivity)
    for arm in ARMS:
        held, labels = _held(run / HELD[arm], scales[arm], positive)
        threshold = choose_threshold(held, labels, asked.min_sensitivity)
        shares = [softmax(answers, scales[arm])[:, positive] for answers in arms[arm].answers]
        said[arm] = np.stack(shares) >= threshold
        known["threshold" if arm == "transfer" else "threshold_scratch"] = threshold
        curves += [_curve(arm, one, truths) for one in shares]
        if arm == "transfer":
            known |= {"validation_rows": len(labels), "validation_positives": int(labels.sum())}
            calls = (held >= threshold)[None]
            for rate in ("sensitivity", "specificity"):
                known[f"validation_{rate}"] = _grades(rate, calls, labels).mean
    draws = {**draws, "higher_is_better": True}
    for rate in RATES:
        ours, theirs = (_grades(rate, said[arm], truths) for arm in ARMS)
        known |= _contrast(rate, ours, theirs, draws)
    known |= _areas(problem, arms, draws)
    for arm in ARMS:
        key = "worst_group_sensitivity" + ("" if arm == "transfer" else f"_{arm}")
        known |= _worst(key, _grades("sensitivity", said[arm], truths), truths, groups, draws)
    return OperatingPoint(known, curves)


def _rule(min_sensitivity: float | None) -> str:
    if min_sensitivity is None:
        return "the largest sum of sensitivity and specificity (Youden's J)"
    return f"the highest threshold with a sensitivity of at least {100 * min_sensitivity:g} %"


def _held(path: Path, temperature: float, positive: int) -> tuple[Shares, Truths]:
    if not path.is_file():
        raise CheckpointError(
            f"{path}: missing, and `evaluation.positive` needs it",
            advice=f"An older version made this run; `graft run {path.parent.name}` makes it anew.",
        )
    logits, labels = read_held(path)
    if not len(labels):
        raise CheckpointError(f"{path}: no row was held out of training, so no threshold can be chosen")
    return softmax(logits, temperature)[:, positive], labels == positive


def _grades(rate: str, said: npt.NDArray[np.bool_], truths: Truths) -> Grades:
    """Return a rate of calls (models, rows) as what each row earns of what it could."""
    match rate:
        case "sensitivity":
            earned, possible = said & truths, truths & np.ones_like(said)
        case "specificity":
            earned, possible = ~said & ~truths, ~truths & np.ones_like(said)
        case "ppv":
            earned, possible = said & truths, said
        case _:
            earned, possible = ~said & ~truths, ~said
    return Grades.of(earned, possible)


def _contrast(rate: str, ours: Grades, theirs: Grades, draws: Draws) -> dict[str, Any]:
    """Return a rate of both arms and its gain; None where an arm never says what the rate is of."""
    found = compare(ours, theirs, **draws)
    keys = {rate: (found.ours, [ours]), f"{rate}_scratch": (found.theirs, [theirs])}
    keys |= {f"{rate}_gain": (found.gain, [ours, theirs])}
    return {
        key: value if all(one.defined for one in needed) else None
        for name, (interval, needed) in keys.items()
        for key, value in spread(name, interval).items()
    }


def _areas(problem: Problem, arms: Mapping[str, Arm], draws: Draws) -> dict[str, Any]:
    """Return the AUROC of both arms with its intervals: it needs no threshold."""
    area = problem.graded_by("auroc")
    ours, theirs = (
        Grades.stack([area.grade(answers, arms[arm].truths) for answers in arms[arm].answers]) for arm in ARMS
    )
    return _contrast("auroc", ours, theirs, draws)


def _worst(key: str, grades: Grades, truths: Truths, groups: Sequence[str] | None, draws: Draws) -> dict[str, Any]:
    """Return the group with the least sensitivity, of those that have enough positive rows."""
    names = np.asarray(groups if groups is not None else [], dtype=object)
    worst: tuple[float, str, npt.NDArray[np.int64]] | None = None
    for name in dict.fromkeys(names):
        rows = np.flatnonzero((names == name) & truths)
        if len(rows) >= FEWEST:
            mean = grades.take(rows).mean
            worst = min(worst or (np.inf, "", rows), (mean, str(name), rows), key=lambda one: one[:2])
    if worst is None:
        return dict.fromkeys(f"{key}{end}" for end in (*ENDS, "_name", "_rows"))
    interval = estimate(grades.take(worst[2]), **draws)
    return {**spread(key, interval), f"{key}_name": worst[1], f"{key}_rows": len(worst[2])}


def _curve(arm: str, shares: Shares, truths: Truths) -> RocCurve:
    from sklearn.metrics import roc_curve

    false_positives, true_positives, _ = roc_curve(truths, shares)
    return RocCurve(arm, false_positives, true_positives)
