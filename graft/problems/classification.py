"""What every classification shares, whatever its inputs are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graft.problems.examples import Truths
from graft.problems.problem import Problem

if TYPE_CHECKING:
    import numpy as np
    import torch

    from graft.problems.grades import Grades

CHANCE = 0.5
"""The area under the curve of whoever guesses."""


class Classification(Problem):
    """Loss and metrics of one label out of several."""

    truths: tuple[str, ...] = ("label",)
    metric = "accuracy"
    metrics: tuple[str, ...] = ("accuracy", "balanced_accuracy", "auroc")
    higher_is_better = True

    def loss(self, logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
        """Return the mean cross-entropy in nats."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(logits.float(), labels, label_smoothing=smoothing)

    def weigh(self, labels: torch.Tensor) -> int:
        """Return the number of rows."""
        return len(labels)

    def grade(self, answers: np.ndarray, truths: Truths) -> Grades:
        """Return 1 for each row whose largest logit is its label's; with a part for each class the same; or the AUROC.

        Balanced accuracy is the mean over classes of the share of their rows that are right (Brodersen et al. 2010).
        The AUROC is the mean over classes of each one against all others. Classes that no row has
        are left out of either.
        """
        import numpy as np

        from graft.problems.auroc import log_odds, mean_auroc
        from graft.problems.grades import Grades
        from graft.problems.pooled import Pooled

        if self.metric == "accuracy":
            return Grades.of(answers.argmax(axis=1) == truths)
        true = np.eye(answers.shape[1])[np.asarray(truths)]
        if self.metric == "balanced_accuracy":
            right = answers.argmax(axis=1) == truths
            return Grades.of((true * right[:, None])[None], true[None])
        odds = log_odds(answers)
        if answers.shape[1] == 2:  # one against the other is the other against the one
            odds, true = odds[:, 1:], true[:, 1:]
        return Pooled.of_rows(mean_auroc, [*np.stack([odds, true], axis=1)], chance=CHANCE)

    def measure(self, answers: np.ndarray, truths: Truths) -> dict[str, float]:
        """Return accuracy, balanced accuracy, macro-F1 and AUROC: see `grade`; the AUROC of a single class is 0.5."""
        import torch
        from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score

        scores, truth = torch.tensor(answers), torch.tensor(truths)
        classes = answers.shape[1]
        pooled = {name: self.graded_by(name).grade(answers, truths).mean for name in ("balanced_accuracy", "auroc")}
        return {
            "accuracy": float(multiclass_accuracy(scores, truth, num_classes=classes, average="micro")),
            "macro_f1": float(multiclass_f1_score(scores, truth, num_classes=classes, average="macro")),
            **pooled,
        }
