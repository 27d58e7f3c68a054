"""What language models share that pretrain on unlabelled text, whichever tokens they predict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from graft.problems.problem import Modality, corruptions_of
from graft.problems.tokens import train_tokenizer

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch

    from graft.catalog import Pretraining
    from graft.corruptions import Corruption

IGNORED = -100  # the label of a token that is not predicted, as transformers has it


class LanguageModelling:
    """Texts in, some of their tokens out."""

    modality: Modality = "text"
    columns: tuple[str, ...] = ("text",)
    metric = "loss"
    higher_is_better = False

    @property
    def corruptions(self) -> Mapping[str, Corruption[Any]]:
        """What the texts may suffer, by name."""
        return corruptions_of(self.modality)

    def make_processor(self, table: pa.Table, config: Mapping[str, Any], recipe: Pretraining) -> Any:
        """Return a tokenizer of the network's kind trained on the texts."""
        return train_tokenizer(table, config, recipe)

    def loss(self, logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
        """Return the mean cross-entropy of the predicted tokens in nats; 0 for a batch without any."""
        from torch.nn.functional import cross_entropy

        total = cross_entropy(
            logits.flatten(0, 1).float(),
            labels.flatten(),
            ignore_index=IGNORED,
            label_smoothing=smoothing,
            reduction="sum",
        )
        return total / max(self.weigh(labels), 1)

    def weigh(self, labels: torch.Tensor) -> int:
        """Return the number of predicted tokens."""
        return int((labels != IGNORED).sum())

    def measure(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """Return nothing: the loss is the metric, and what follows from it is measured with it."""
        return {}
