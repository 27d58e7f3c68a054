"""The arms of the comparison on the test rows: winner, scratch control, and the source as it was under a new head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from graft.problems.grades import Grades

if TYPE_CHECKING:
    from graft.problems import Problem
    from graft.problems.examples import Examples, Truths

ARMS = ("transfer", "scratch", "source")
Models = Mapping[str, Sequence[Any]]
"""The models of every arm, one for each seed; an arm may share the list of another."""


@dataclass(frozen=True)
class Arm:
    """One arm's models on some rows: what each answered and what that is worth."""

    answers: Sequence[npt.NDArray[np.float32]]
    """For each seed what its model answered, (rows, numbers): see `Problem.answer`."""
    truths: Truths
    grades: Grades
    """Of the headline metric."""

    def further(self, problem: Problem) -> dict[str, float]:
        """Return the mean over seeds of every metric beside the headline."""
        found = [problem.measure(answers, self.truths) for answers in self.answers]
        names = [name for name in found[0] if name != problem.metric]
        return {name: float(np.mean([one[name] for one in found])) for name in names}


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

    known: dict[int, Arm] = {}
    for arm in models.values():
        if id(arm) not in known:
            answers = [predict(model, problem, examples, processor) for model in arm]
            known[id(arm)] = Arm(answers, examples.expected, grade_all(problem, answers, examples.expected))
    return {name: known[id(arm)] for name, arm in models.items()}


def take_truths(truths: Truths, rows: npt.NDArray[np.int64]) -> Truths:
    """Return the truths of some rows."""
    if truths is None or isinstance(truths, np.ndarray):
        return None if truths is None else truths[rows]
    return [truths[row] for row in rows]


def grade_all(problem: Problem, answers: Sequence[npt.NDArray[np.float32]], truths: Truths) -> Grades:
    """Return the grades of several models' answers about the same rows."""
    return Grades.stack([problem.grade(each, truths) for each in answers])
