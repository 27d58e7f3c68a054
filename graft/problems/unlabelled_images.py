"""What the problems share that pretrain on images which nobody has labelled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from graft.problems.examples import Examples, Truths
from graft.problems.pixels import fit_processor, read_pixels
from graft.problems.problem import Modality, Problem

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch

    from graft.catalog import Pretraining
    from graft.problems.grades import Grades


class UnlabelledImages(Problem):
    """Images in; what is asked about them is made of them."""

    modality: Modality = "image"
    columns: tuple[str, ...] = ("image",)
    truths: tuple[str, ...] = ()
    metric = "loss"
    higher_is_better = False
    pretrains_only = True

    def make_processor(self, table: pa.Table, config: Mapping[str, Any], recipe: Pretraining) -> Any:
        """Return an image processor that resizes and normalises by the training pixels' mean and deviation."""
        return fit_processor(table, config, recipe)

    def encode(self, table: pa.Table, processor: Any) -> Examples:
        """Return resized uint8 pixels (channels, height, width): see `pixels`. There are no labels."""
        return Examples(read_pixels(table, processor), None)

    def weigh(self, labels: torch.Tensor) -> int:
        """Return the number of rows."""
        return len(labels)

    def grade(self, answers: np.ndarray, truths: Truths) -> Grades:
        """Return loss of what it is counted over: of each row the first of its two numbers, of the second."""
        from graft.problems.grades import Grades

        return Grades.of(answers[:, 0], answers[:, 1])

    def measure(self, answers: np.ndarray, truths: Truths) -> dict[str, float]:
        """Return nothing: the loss is the metric."""
        return {}
