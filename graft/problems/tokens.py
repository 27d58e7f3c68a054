"""Texts as token ids: a tokenizer trained where none is given, encoding, padding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from graft.errors import CheckpointError
from graft.problems.byte_pairs import train_byte_pairs
from graft.problems.examples import Examples
from graft.problems.networks import is_decoder
from graft.problems.problem import Batch

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from graft.catalog import Pretraining


SPECIAL = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
INSIDE = 0xF0000  # private characters, which the normaliser removes from texts, stand for characters inside a word


def train_tokenizer(table: pa.Table, config: Mapping[str, Any], recipe: Pretraining) -> Any:
    """Return a new tokenizer of the kind that networks of a configuration are used with, whatever they are to predict.

    Byte-level BPE for a decoder, which writes texts as they are; WordPiece for an encoder.
    """
    return train_byte_pairs(table, recipe) if is_decoder(config) else train_word_pieces(table, recipe)


def train_word_pieces(table: pa.Table, recipe: Pretraining) -> Any:
    """Return an uncased WordPiece tokenizer (Wu et al. 2016, section 4.1) trained on the column `text`.

    The same texts give the same tokenizer, so that a pretraining that was killed goes on with the tokens it began with.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    normalizer, splitter = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    words = Counter(
        word
        for text in table["text"].to_pylist()
        for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))
    )
    vocabulary = _choose_pieces(words, recipe.vocabulary_size)
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=SPECIAL["unk"]))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    ends = [(SPECIAL[name], vocabulary[SPECIAL[name]]) for name in ("cls", "sep")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=ends
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=recipe.max_tokens,
        model_input_names=["input_ids", "attention_mask"],
        **{f"{name}_token": token for name, token in SPECIAL.items()},
    )


def _choose_pieces(words: Mapping[str, int], size: int) -> dict[str, int]:
    """Return pieces of words with their ids, by merging the commonest pairs until there are `size`.

    The merges are those of `tokenizers`' WordPieceTrainer, with one difference. It numbers the pieces that go on a word
    (`##e`) in the order of a hash map, which is another in every process, and breaks ties by these numbers. Here a
    character inside a word is a character of its own, and characters are numbered by their code.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    characters = sorted({character for word in words for character in word})
    inside = {character: chr(INSIDE + place) for place, character in enumerate(characters)}
    outside = {code: character for character, code in inside.items()}
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL.values()),
        initial_alphabet=characters,
        min_frequency=2,
        show_progress=False,
    )
    marked = (word[0] + "".join(inside[character] for character in word[1:]) for word in sorted(words))
    merged = Tokenizer(models.BPE())
    merged.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    counted = zip(marked, (words[word] for word in sorted(words)), strict=True)
    merged.train_from_iterator((f"{word} " * count for word, count in counted), trainer)
    pieces = sorted(merged.get_vocab().items(), key=lambda item: item[1])
    plain = ["##" * (piece[0] in outside) + "".join(outside.get(one, one) for one in piece) for piece, _ in pieces]
    return {piece: place for place, piece in enumerate(plain)}


def encode_texts(table: pa.Table, tokenizer: Any) -> Examples:
    """Return token ids of the column `text`, cut at the tokenizer's maximal length, and labels where there are any.

    A text that has no tokens, as an empty one has none for the tokenizers of published decoders, is an end of text.
    """
    import numpy as np

    encoded = tokenizer(table["text"].to_pylist(), truncation=True, return_attention_mask=False)["input_ids"]
    labels = np.asarray(table["label"], dtype=np.int64) if "label" in table.column_names else None
    return Examples([np.asarray(ids or [tokenizer.eos_token_id], dtype=np.int64) for ids in encoded], labels)


def pack_texts(table: pa.Table, tokenizer: Any) -> Examples:
    """Return the texts in their order as one stream of tokens, cut into blocks of at most the maximal length.

    An end-of-text token begins the stream and ends every text. No token is left out: blocks are of nearly one length,
    and each begins with the last token of the one before, so that every token, the ends of texts among them, is
    predicted exactly once. What a block's text begins with may lie in the block before, and is not seen there.
    Raises CheckpointError for a tokenizer without an end-of-text token.
    """
    end, encoded = _tokens_of(table, tokenizer)
    stream = [end, *(token for ids in encoded for token in (*ids, end))]
    return Examples(_cut(stream, tokenizer.model_max_length), None)


def cut_texts(table: pa.Table, tokenizer: Any) -> Examples:
    """Return the texts one by one, each cut into windows of at most the maximal length, as `pack_texts` cuts a stream.

    So every row is predicted once, its end too, and whatever its neighbours are. The truths are the bytes of each text,
    in UTF-8. Raises CheckpointError for a tokenizer without an end-of-text token.
    """
    import numpy as np

    end, encoded = _tokens_of(table, tokenizer)
    texts = [_cut([end, *ids, end], tokenizer.model_max_length) for ids in encoded]
    rows = np.repeat(np.arange(len(texts)), [len(windows) for windows in texts])
    sizes = [len(text.encode("utf-8", "surrogatepass")) for text in table["text"].to_pylist()]
    return Examples([window for windows in texts for window in windows], None, truths=sizes, rows=rows)


def _tokens_of(table: pa.Table, tokenizer: Any) -> tuple[int, list[list[int]]]:
    """Return the end-of-text token and the token ids of each text, whole and without any token that is not in it."""
    if (end := tokenizer.eos_token_id) is None:
        raise CheckpointError(
            "the tokenizer has no end-of-text token to put between texts",
            advice="Set `eos_token` in the checkpoint's tokenizer_config.json, and `eos_token_id` in its config.json.",
        )
    texts = table["text"].to_pylist()
    # not `verbose`: it would warn of texts that are longer than the network reads at once, and are cut into blocks
    options = {"add_special_tokens": False, "truncation": False, "return_attention_mask": False, "verbose": False}
    return int(end), tokenizer(texts, **options)["input_ids"] if texts else []


def _cut(stream: Sequence[int], most: int) -> list[np.ndarray]:
    """Return blocks of nearly one length, `most` at the most, each beginning with the last token of the one before."""
    import numpy as np

    tokens = np.asarray(stream, dtype=np.int64)
    predicted = len(tokens) - 1
    blocks = -(-predicted // (most - 1))
    cuts = [predicted * block // max(blocks, 1) for block in range(blocks + 1)]
    return [tokens[start : stop + 1] for start, stop in pairwise(cuts)]


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
