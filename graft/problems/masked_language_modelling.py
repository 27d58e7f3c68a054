"""Masked language modelling: predict hidden tokens of unlabelled text (Devlin et al. 2019, section 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graft.problems.examples import Examples
from graft.problems.language_modelling import IGNORED, LanguageModelling
from graft.problems.problem import Batch
from graft.problems.tokens import encode_texts, pad

if TYPE_CHECKING:
    import pyarrow as pa
    import torch

MASK_SHARE = 0.15


class MaskedLanguageModelling(LanguageModelling):
    """Texts in, their hidden tokens out; pretrains a text encoder without labels."""

    name = "masked-language-modelling"
    auto_model = "AutoModelForMaskedLM"

    def encode(self, table: pa.Table, processor: Any) -> Examples:
        """Return token ids, cut at the tokenizer's maximal length; there are no labels."""
        return Examples(encode_texts(table, processor).features, None)

    def collate(
        self, examples: Examples, rows: Sequence[int], processor: Any, generator: torch.Generator, training: bool
    ) -> Batch:
        """Hide 15 % of the tokens: 80 % of them become [MASK], 10 % a random token, 10 % stay."""
        import torch

        batch = pad(examples, rows, processor)
        ids = batch["input_ids"]
        special = torch.isin(ids, torch.tensor(processor.all_special_ids))
        draws = torch.rand(ids.shape, generator=generator)
        hidden = (draws < MASK_SHARE) & ~special
        batch["labels"] = torch.where(hidden, ids, IGNORED)
        kind = torch.rand(ids.shape, generator=generator)
        other = torch.randint(len(processor), ids.shape, generator=generator)
        ids = torch.where(hidden & (kind < 0.8), processor.mask_token_id, ids)
        batch["input_ids"] = torch.where(hidden & (kind >= 0.9), other, ids)
        return batch
