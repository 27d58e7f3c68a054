"""metrics.json: every number of one evaluation under one flat roof."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from graft.evaluation.arms import Arm
from graft.evaluation.bootstrap import Comparison, Interval, compare, widen
from graft.evaluation.calibration import brier_score, expected_calibration_error, fit_temperature, softmax
from graft.evaluation.cost import money_of
from graft.evaluation.forgetting import Forgetting
from graft.evaluation.points import Draws, contrast, spread
from graft.evaluation.verdict import decide
from graft.problems.problem import has_classes
from graft.ranking.depths import known_taus

if TYPE_CHECKING:
    from graft.catalog import Study
    from graft.problems import Problem
    from graft.problems.grades import Grades

ENDS = ("", "_low", "_high")


def fitted_temperature(validation: Path) -> float:
    """Return the temperature fitted on the winner's out-of-fold predictions (validation.parquet of a run)."""
    logits, labels = read_held(validation)
    return fit_temperature(logits, labels) if len(labels) else 1.0


def read_held(validation: Path) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return logits (rows, classes) and labels (rows,) of rows held out of training."""
    import pyarrow.parquet as pq

    table = pq.read_table(validation, columns=["label", "logits"])
    return np.asarray(table["logits"].to_pylist(), dtype=np.float64), np.asarray(table["label"], dtype=np.int64)


def summarise(
    study: Mapping[str, Any],
    settings: Study,
    problem: Problem,
    arms: Mapping[str, Arm],
    forgetting: Forgetting,
    temperature: float,
    robustness: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the content of metrics.json, JSON-ready: what is not a number is None.

    `transfer`, `scratch` and `gain` are means over seeds with the ends of their bootstrap intervals, and so are
    `source_probe`, the untouched source under a new head, and `gain_over_source`; calibration is that of the packaged
    model, the first seed's. `robustness` holds keys that are taken as they are.
    """
    winner, control = arms["transfer"], arms["scratch"]
    draws = draws_of(settings, problem, study)
    found = compare(winner.grades, control.grades, **draws)
    gain = known_gain(found, winner.grades, settings.confidence)
    beside = contrast("test", {name: arm.grades for name, arm in arms.items()}, draws)
    further = {"": winner.further(problem), "_scratch": control.further(problem)}
    facts = {
        **{key: study[key] for key in ("target", "source", "problem", "metric")},
        **spread("transfer", found.ours),
        **spread("scratch", found.theirs),
        **spread("gain", gain),
        **{f"source_probe{end}": beside[f"test_source{end}"] for end in ENDS},
        **{f"gain_over_source{end}": beside[f"test_gain_over_source{end}"] for end in ENDS},
        "verdict": decide(gain.low, gain.high, settings.margin),
        "margin": settings.margin,
        "confidence": settings.confidence,
        "higher_is_better": problem.higher_is_better,
        "further": [*further[""]],
        "row_metric": problem.row_metric,
        **{f"{name}{end}": value for end, values in further.items() for name, value in values.items()},
        **{key: study["winner"][key] for key in ("strategy", "learning_rate", "trained_groups", "trained_parameters")},
        "parameters": sum(group["parameters"] for group in study["groups"]),
        "source_metric": forgetting.metric,
        "source_before": forgetting.before,
        "source_after": forgetting.after,
        "forgetting": forgetting.loss_of_skill,
        **_calibration(problem, winner, temperature),
        "scores": study.get("scores", {}),
        "score_taus": known_taus(study),
        "trials": sum(candidate["trials"] for candidate in study["candidates"]),
        **{key: study[key] for key in ("seconds", "labels_per_class", "train_rows", "dataset", "seeds")},
        "flops": study.get("flops"),
        "price_per_hour": study.get("price_per_hour"),
        "money": money_of(study["seconds"], study.get("price_per_hour")),
        "test_rows": winner.grades.rows,
        "seed": study["seeds"][0],
        **robustness,
    }
    return {key: plain(value) for key, value in facts.items()}


def draws_of(settings: Study, problem: Problem, study: Mapping[str, Any]) -> Draws:
    """Return how the intervals of an evaluation are drawn."""
    return Draws(
        resamples=settings.resamples, confidence=settings.confidence, seed=int(study["seeds"][0]),
        higher_is_better=problem.higher_is_better,
    )  # fmt: skip


def known_gain(found: Comparison, grades: Grades, confidence: float) -> Interval:
    """Return the gain of a comparison; that of a share, which a loss is not, with what so few rows cannot show."""
    if not math.isfinite(grades.most):
        return found.gain
    return widen(found.gain, grades.rows if grades.units is None else len(np.unique(grades.units)), confidence)


def _calibration(problem: Problem, winner: Arm, temperature: float) -> dict[str, float | None]:
    """Return the calibration of the packaged model; None where it gives no probabilities of classes."""
    if not has_classes(problem):
        return dict.fromkeys(("ece", "ece_calibrated", "brier", "brier_calibrated", "temperature"))
    labels = np.asarray(winner.truths)
    packaged, calibrated = softmax(winner.answers[0]), softmax(winner.answers[0], temperature)
    return {
        "ece": expected_calibration_error(packaged, labels),
        "ece_calibrated": expected_calibration_error(calibrated, labels),
        "brier": brier_score(packaged, labels),
        "brier_calibrated": brier_score(calibrated, labels),
        "temperature": temperature,
    }


def plain(value: Any) -> Any:
    """Return nested data as JSON can hold it: NumPy scalars as numbers, NaN and infinities as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
