"""What language models share, whichever tokens of unlabelled text they predict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from graft.problems.examples import Truths
from graft.problems.problem import Modality, Problem
from graft.problems.tokens import train_tokenizer

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch

    from graft.catalog import Pretraining
    from graft.problems.grades import Grades

IGNORED = -100  # the label of a token that is not predicted, as transformers has it


class LanguageModelling(Problem):
    """Texts in, some of their tokens out; nobody has labelled anything."""

    modality: Modality = "text"
    columns: tuple[str, ...] = ("text",)
    truths: tuple[str, ...] = ()
    metric = "loss"
    higher_is_better = False
    pretrains_only = True

    def make_processor(self, table: pa.Table, config: Mapping[str, Any], recipe: Pretraining) -> Any:
        """Return a tokenizer of the network's kind trained on the texts."""
        return train_tokenizer(table, config, recipe)

    def loss(self, logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
        """Return the mean cross-entropy of the predicted tokens in nats; 0 for a batch without any."""
        return mean_nats(logits, labels, smoothing)

    def weigh(self, labels: torch.Tensor) -> int:
        """Return the number of predicted tokens."""
        return count_predicted(labels)

    def answer(self, logits: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        """Return nats and number of each row's predicted tokens, (rows, 2): logits over a vocabulary are never kept."""
        import torch
        from torch.nn.functional import cross_entropy

        if labels is None:
            raise ValueError("a language model is asked about the tokens of its inputs; the batch has none")
        nats = cross_entropy(logits.transpose(1, 2).float(), labels, ignore_index=IGNORED, reduction="none")
        return torch.stack([nats.sum(dim=1), (labels != IGNORED).sum(dim=1).float()], dim=1)

    def grade(self, answers: np.ndarray, truths: Truths) -> Grades:
        """Return nats of tokens."""
        from graft.problems.grades import Grades

        return Grades.of(answers[:, 0], answers[:, 1])

    def measure(self, answers: np.ndarray, truths: Truths) -> dict[str, float]:
        """Return nothing: the loss is the metric, and what follows from it is measured with it."""
        return {}


def mean_nats(logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Return the mean cross-entropy of the predicted tokens of (rows, tokens), in nats; 0 for a batch without any."""
    from torch.nn.functional import cross_entropy

    total = cross_entropy(
        logits.flatten(0, 1).float(), labels.flatten(),
        ignore_index=IGNORED, label_smoothing=smoothing, reduction="sum",
    )  # fmt: skip
    return total / max(count_predicted(labels), 1)


def count_predicted(labels: torch.Tensor) -> int:
    """Return the number of predicted tokens."""
    return int((labels != IGNORED).sum())
