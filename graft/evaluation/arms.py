"""The two arms of the comparison, winner and scratch control, on the test rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

    from graft.problems import Problem


@dataclass(frozen=True)
class Arm:
    """One arm's models on test: logits (seeds, rows, classes) against labels (rows,)."""

    logits: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """Whether each seed's model is right about each row, (seeds, rows)."""
        return np.asarray(self.logits.argmax(axis=2) == self.labels)

    def mean(self, problem: Problem, metric: str) -> float:
        """Return the mean over seeds of one of the problem's metrics."""
        return float(np.mean([problem.measure(logits, self.labels)[metric] for logits in self.logits]))


def predict_arm(folder: Path, seeds: Sequence[int], problem: Problem, table: pa.Table) -> Arm:
    """Return the predictions of the models in `folder`/seed-K for a canonical table."""
    from graft.backbones import load, load_processor
    from graft.training import predict

    processor = load_processor(folder / f"seed-{seeds[0]}", problem)
    examples = problem.encode(table, processor)
    models = (load(folder / f"seed-{seed}", problem) for seed in seeds)
    logits = np.stack([predict(model, problem, examples, processor) for model in models])
    return Arm(logits, np.asarray(table["label"], dtype=np.int64))
