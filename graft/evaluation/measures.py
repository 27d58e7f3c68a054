"""metrics.json: every number of one evaluation under one flat roof."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graft.evaluation.arms import Arm
from graft.evaluation.bootstrap import compare
from graft.evaluation.calibration import brier_score, expected_calibration_error, fit_temperature, softmax
from graft.evaluation.cost import money_of
from graft.evaluation.forgetting import Forgetting
from graft.evaluation.points import Draws, contrast, spread
from graft.evaluation.verdict import decide
from graft.ranking.depths import known_taus

if TYPE_CHECKING:
    from graft.catalog import Study
    from graft.problems import Problem

ENDS = ("", "_low", "_high")


def fitted_temperature(validation: Path) -> float:
    """Return the temperature fitted on the winner's out-of-fold predictions (validation.parquet of a run)."""
    import pyarrow.parquet as pq

    table = pq.read_table(validation, columns=["label", "logits"])
    if table.num_rows == 0:
        return 1.0
    return fit_temperature(np.asarray(table["logits"].to_pylist()), np.asarray(table["label"]))


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
    draws = Draws(resamples=settings.resamples, confidence=settings.confidence, seed=int(study["seeds"][0]))
    found = compare(winner.correct, control.correct, **draws)
    beside = contrast("test", {name: arm.correct for name, arm in arms.items()}, draws)
    packaged, calibrated = softmax(winner.logits[0]), softmax(winner.logits[0], temperature)
    facts = {
        **{key: study[key] for key in ("target", "source", "problem", "metric")},
        **spread("transfer", found.ours),
        **spread("scratch", found.theirs),
        **spread("gain", found.gain),
        **{f"source_probe{end}": beside[f"test_source{end}"] for end in ENDS},
        **{f"gain_over_source{end}": beside[f"test_gain_over_source{end}"] for end in ENDS},
        "verdict": decide(found.gain.low, found.gain.high, settings.margin),
        "margin": settings.margin,
        "confidence": settings.confidence,
        "macro_f1": winner.mean(problem, "macro_f1"),
        "macro_f1_scratch": control.mean(problem, "macro_f1"),
        **{key: study["winner"][key] for key in ("strategy", "learning_rate", "trained_groups", "trained_parameters")},
        "parameters": sum(group["parameters"] for group in study["groups"]),
        "source_metric": forgetting.metric,
        "source_before": forgetting.before,
        "source_after": forgetting.after,
        "forgetting": forgetting.loss_of_skill,
        "ece": expected_calibration_error(packaged, winner.labels),
        "ece_calibrated": expected_calibration_error(calibrated, winner.labels),
        "brier": brier_score(packaged, winner.labels),
        "brier_calibrated": brier_score(calibrated, winner.labels),
        "temperature": temperature,
        "scores": study.get("scores", {}),
        "score_taus": known_taus(study),
        "trials": sum(candidate["trials"] for candidate in study["candidates"]),
        **{key: study[key] for key in ("seconds", "labels_per_class", "train_rows", "dataset", "seeds")},
        "flops": study.get("flops"),
        "price_per_hour": study.get("price_per_hour"),
        "money": money_of(study["seconds"], study.get("price_per_hour")),
        "test_rows": len(winner.labels),
        "seed": study["seeds"][0],
        **robustness,
    }
    return {key: plain(value) for key, value in facts.items()}


def plain(value: Any) -> Any:
    """Return nested data as JSON can hold it: NumPy scalars as numbers, NaN and infinities as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
