"""Text classification: one of several labels for a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graft.problems.classification import Classification
from graft.problems.examples import Examples
from graft.problems.problem import Batch, Modality
from graft.problems.tokens import encode_texts, pad, train_tokenizer

if TYPE_CHECKING:
    import pyarrow as pa
    import torch

    from graft.catalog import Pretraining


class TextClassification(Classification):
    """Texts in, one label out."""

    name = "text-classification"
    modality: Modality = "text"
    columns: tuple[str, ...] = ("text", "label")
    auto_model = "AutoModelForSequenceClassification"

    def make_processor(self, table: pa.Table, config: Mapping[str, Any], recipe: Pretraining) -> Any:
        """Return a tokenizer of the network's kind trained on the texts."""
        return train_tokenizer(table, config, recipe)

    def encode(self, table: pa.Table, processor: Any) -> Examples:
        """Return token ids, cut at the tokenizer's maximal length."""
        return encode_texts(table, processor)

    def collate(
        self, examples: Examples, rows: Sequence[int], processor: Any, generator: torch.Generator, training: bool
    ) -> Batch:
        """Return `input_ids`, `attention_mask` (rows, longest) and `labels`."""
        import numpy as np
        import torch

        batch = pad(examples, rows, processor)
        if examples.labels is not None:
            batch["labels"] = torch.from_numpy(np.asarray(examples.labels)[list(rows)])
        return batch
