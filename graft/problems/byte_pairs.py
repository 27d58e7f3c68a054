"""Byte-level BPE: the tokenizer of decoders, which knows every text and gives it back to the byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

    from graft.catalog import Pretraining

END, PADDING = "<|endoftext|>", "<|pad|>"


def train_byte_pairs(table: pa.Table, recipe: Pretraining) -> Any:
    """Return a byte-level BPE tokenizer (Radford et al. 2019, section 2.2) trained on the column `text`.

    A text begins with an end-of-text token, as documents follow one another in pretraining, so that no text is
    without tokens. Padding has a token of its own: a classifier reads the last one that is none. The same texts give
    the same tokenizer: the trainer breaks ties by the numbers of pieces, and bytes are numbered by their code.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=recipe.vocabulary_size,
        special_tokens=[END, PADDING],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=2,
        show_progress=False,
    )
    tokenizer.train_from_iterator(table["text"].to_pylist(), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{END} $A", pair=f"{END} $A {END} $B", special_tokens=[(END, tokenizer.token_to_id(END))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=recipe.max_tokens,
        model_input_names=["input_ids", "attention_mask"],
        padding_side="right",
        bos_token=END,
        eos_token=END,
        pad_token=PADDING,
    )
