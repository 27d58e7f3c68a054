"""Text generation, as a source: predict each next token of unlabelled text (Radford et al. 2019, section 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graft.problems.language_modelling import IGNORED, LanguageModelling
from graft.problems.problem import Batch, Examples
from graft.problems.tokens import pack_texts, pad

if TYPE_CHECKING:
    import pyarrow as pa
    import torch


class TextGeneration(LanguageModelling):
    """Texts in, every next token out; pretrains a decoder without labels."""

    name = "text-generation"
    auto_model = "AutoModelForCausalLM"

    def encode(self, table: pa.Table, processor: Any) -> Examples:
        """Return blocks of token ids, which are no rows of the table: see `pack_texts`; there are no labels."""
        return pack_texts(table, processor)

    def collate(
        self, examples: Examples, rows: Sequence[int], processor: Any, generator: torch.Generator, training: bool
    ) -> Batch:
        """Return `input_ids`, `attention_mask` and `labels`, (blocks, longest) each: the label is the next token."""
        import torch

        batch = pad(examples, rows, processor)
        following, real = (torch.roll(batch[name], -1, dims=1) for name in ("input_ids", "attention_mask"))
        real[:, -1] = 0  # nothing follows the last token of a block: the next block begins with it
        batch["labels"] = torch.where(real.bool(), following, IGNORED)
        return batch
