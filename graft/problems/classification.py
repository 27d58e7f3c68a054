"""What every classification shares, whatever its inputs are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from graft.problems.problem import Problem, Truths, corruptions_of

if TYPE_CHECKING:
    import numpy as np
    import torch

    from graft.corruptions import Corruption
    from graft.problems.grades import Grades


class Classification(Problem):
    """Loss and metrics of one label out of several."""

    truths: tuple[str, ...] = ("label",)
    metric = "accuracy"
    higher_is_better = True

    @property
    def corruptions(self) -> Mapping[str, Corruption[Any]]:
        """What the inputs may suffer, by name."""
        return corruptions_of(self.modality)

    def loss(self, logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
        """Return the mean cross-entropy in nats."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(logits.float(), labels, label_smoothing=smoothing)

    def weigh(self, labels: torch.Tensor) -> int:
        """Return the number of rows."""
        return len(labels)

    def grade(self, answers: np.ndarray, truths: Truths) -> Grades:
        """Return 1 for each row whose largest logit is its label's."""
        from graft.problems.grades import Grades

        return Grades.of(answers.argmax(axis=1) == truths)

    def measure(self, answers: np.ndarray, truths: Truths) -> dict[str, float]:
        """Return accuracy and macro-F1."""
        import torch
        from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score

        scores, truth = torch.tensor(answers), torch.tensor(truths)
        classes = answers.shape[1]
        return {
            "accuracy": float(multiclass_accuracy(scores, truth, num_classes=classes, average="micro")),
            "macro_f1": float(multiclass_f1_score(scores, truth, num_classes=classes, average="macro")),
        }
