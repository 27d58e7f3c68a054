"""A tiny Whisper to test with: random weights, a window of one second, and a tokenizer of bytes."""

from pathlib import Path

import torch
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    WhisperTokenizer,
)
from transformers.convert_slow_tokenizer import bytes_to_unicode

LANGUAGES = ("<|en|>", "<|zh|>", "<|de|>")
"""The first three of Whisper's, in its order."""
SPECIAL = (
    *("<|endoftext|>", "<|startoftranscript|>", *LANGUAGES, "<|translate|>", "<|transcribe|>", "<|startoflm|>"),
    *("<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"),
)
MULTILINGUAL = {"is_multilingual": True, "lang_to_id": {one: 257 + place for place, one in enumerate(LANGUAGES, 1)}}


def whisper_tokenizer() -> WhisperTokenizer:
    """Return a tokenizer with an entry for each byte, Whisper's special tokens and a few times."""
    vocabulary = {one: place for place, one in enumerate(bytes_to_unicode().values())}
    tokenizer = WhisperTokenizer(vocab=vocabulary, merges=[], model_max_length=1024)
    tokenizer.add_special_tokens({"extra_special_tokens": [*SPECIAL]})
    tokenizer.add_tokens([f"<|{place * 0.02:.2f}|>" for place in range(3)])
    tokenizer.set_prefix_tokens()
    return tokenizer


def whisper_config(**more: float) -> WhisperConfig:
    """Return the configuration of a network of two layers on either side."""
    tokenizer = whisper_tokenizer()
    end = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    sizes = {"encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
             "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "d_model": 16}  # fmt: skip
    return WhisperConfig(
        **{**sizes, **more}, num_mel_bins=8, max_source_positions=50, max_target_positions=14,
        vocab_size=len(tokenizer), pad_token_id=end, bos_token_id=end, eos_token_id=end, decoder_start_token_id=end + 1,
    )  # fmt: skip


def write_whisper(folder: Path, spread: float = 0.02, **generation: object) -> Path:
    """Write a checkpoint as those of the hub are, and return its folder.

    `spread` is that of its weights: with 0.02, as usual, it writes the same of every clip.
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = WhisperForConditionalGeneration(whisper_config(init_std=spread))
    end = model.config.eos_token_id
    forbidden = {"begin_suppress_tokens": [ord(" "), end], "suppress_tokens": [*b"!(", end + 1]}
    model.generation_config = GenerationConfig(
        decoder_start_token_id=end + 1, eos_token_id=end, pad_token_id=end, **{**forbidden, **generation}
    )
    model.save_pretrained(folder)
    extractor = WhisperFeatureExtractor(feature_size=8, chunk_length=1)
    WhisperProcessor(feature_extractor=extractor, tokenizer=whisper_tokenizer()).save_pretrained(folder)
    return folder
