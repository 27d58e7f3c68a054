"""Texts as token ids: a tokenizer trained where none is given, encoding, padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graft.errors import CheckpointError
from graft.problems.problem import Batch, Examples

if TYPE_CHECKING:
    import pyarrow as pa

    from graft.catalog import Pretraining


def train_tokenizer(table: pa.Table, recipe: Pretraining) -> Any:
    """Return an uncased WordPiece tokenizer (Wu et al. 2016, section 4.1) trained on the column `text`."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = {"unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "pad": "[PAD]", "mask": "[MASK]"}
    tokenizer = Tokenizer(models.WordPiece(unk_token=special["unk"]))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    order = [special[name] for name in ("pad", "unk", "cls", "sep", "mask")]
    trainer = trainers.WordPieceTrainer(
        vocab_size=recipe.vocabulary_size, special_tokens=order, min_frequency=2, show_progress=False
    )
    tokenizer.train_from_iterator(table["text"].to_pylist(), trainer)
    ends = [(special["cls"], order.index(special["cls"])), (special["sep"], order.index(special["sep"]))]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=ends
    )
    names = {f"{name}_token": token for name, token in special.items()}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=recipe.max_tokens,
        model_input_names=["input_ids", "attention_mask"],
        **names,
    )


def encode_texts(table: pa.Table, tokenizer: Any) -> Examples:
    """Return token ids of the column `text`, cut at the tokenizer's maximal length, and labels where there are any."""
    import numpy as np

    encoded = tokenizer(table["text"].to_pylist(), truncation=True, return_attention_mask=False)["input_ids"]
    labels = np.asarray(table["label"], dtype=np.int64) if "label" in table.column_names else None
    return Examples([np.asarray(ids, dtype=np.int64) for ids in encoded], labels)


def pad(examples: Examples, rows: Sequence[int], tokenizer: Any) -> Batch:
    """Return `input_ids` and `attention_mask`, padded to the width of the rows' bucket, or else to the longest row.

    The tensors of `tokenizer.pad`, without its detour through lists, which took 25 times as long.
    Raises CheckpointError for a tokenizer without a padding token.
    """
    import numpy as np
    import torch

    if tokenizer.pad_token_id is None:
        raise CheckpointError(
            "the tokenizer has no padding token, so texts of different lengths make no batch",
            advice="Set `pad_token` in the checkpoint's tokenizer_config.json, and `pad_token_id` in its config.json.",
        )
    texts = [examples.features[row] for row in rows]
    lengths = np.array([len(text) for text in texts])[:, None]
    width = lengths.max() if examples.widths is None else examples.widths[list(rows)].max()
    places = np.arange(width)
    filled = places >= width - lengths if tokenizer.padding_side == "left" else places < lengths
    ids = np.full(filled.shape, tokenizer.pad_token_id, dtype=np.int64)
    ids[filled] = np.concatenate(texts)
    return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(filled.astype(np.int64))}


def describe_tokens(examples: Examples, tokenizer: Any) -> dict[str, float]:
    """Return the mean number of tokens of a text and the share of unknown ones."""
    import numpy as np

    tokens = np.concatenate([*examples.features, np.empty(0, dtype=np.int64)])
    unknown = float((tokens == tokenizer.unk_token_id).mean()) if tokenizer.unk_token_id is not None else 0.0
    return {"mean": len(tokens) / max(len(examples), 1), "unknown_share": unknown}
