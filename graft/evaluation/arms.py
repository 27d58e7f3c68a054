"""The arms of the comparison on the test rows: winner, scratch control, and the source as it was under a new head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from graft.problems import Problem
    from graft.problems.problem import Examples

ARMS = ("transfer", "scratch", "source")
Models = Mapping[str, Sequence[Any]]
"""The models of every arm, one for each seed; an arm may share the list of another."""


@dataclass(frozen=True)
class Arm:
    """One arm's models on some rows: logits (seeds, rows, classes) against labels (rows,)."""

    logits: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """Whether each seed's model is right about each row, (seeds, rows)."""
        return np.asarray(self.logits.argmax(axis=2) == self.labels)

    def mean(self, problem: Problem, metric: str) -> float:
        """Return the mean over seeds of one of the problem's metrics."""
        return float(np.mean([problem.measure(logits, self.labels)[metric] for logits in self.logits]))


def load_models(run: Path, study: Mapping[str, Any], problem: Problem) -> Models:
    """Return the models of a run, all in memory at once: every corrupted set is then made only once."""
    from graft.backbones import load
    from graft.training.device import make_accelerator

    device = make_accelerator().device
    folders = {"transfer": "winner", "scratch": "control", "source": study["probe"]["folder"]}
    loaded = {
        folder: [load(run / folder / f"seed-{seed}", problem).to(device) for seed in study["seeds"]]
        for folder in dict.fromkeys(folders.values())
    }
    return {arm: loaded[folder] for arm, folder in folders.items()}


def predict_arms(models: Models, problem: Problem, examples: Examples, processor: Any) -> dict[str, Arm]:
    """Return the predictions of every arm for labelled examples; models that two arms share predict once."""
    from graft.training import predict

    labels = np.asarray(examples.labels, dtype=np.int64)
    known: dict[int, Arm] = {}
    for arm in models.values():
        if id(arm) not in known:
            logits = np.stack([predict(model, problem, examples, processor) for model in arm])
            known[id(arm)] = Arm(logits, labels)
    return {name: known[id(arm)] for name, arm in models.items()}
