"""What is looked at in texts, and what is expected of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.checks.rule import Rule
from graft.reading import hash_text

if TYPE_CHECKING:
    from graft.catalog import Checks

SHOWN = 80  # characters of a text that a message repeats
REPLACED = "\ufffd"  # what decoders write for bytes that they cannot read


def describe_texts(texts: Sequence[str], tokenizer: Path | None) -> dict[str, Sequence[Any]]:
    """Return hash, gist, characters and words of texts, and how many characters were lost in an earlier decoding.

    Tokens, and how many are unknown, where a tokenizer is given.
    """
    features: dict[str, Sequence[Any]] = {
        "hash": [hash_text(text) for text in texts],
        "gist": [_gist(text) for text in texts],
        "characters": [len(text.strip()) for text in texts],
        "words": [len(text.split()) for text in texts],
        "replaced": [text.count(REPLACED) for text in texts],
        "what": [_shorten(text) for text in texts],
    }
    return features | (_tokens(texts, tokenizer) if tokenizer else {})


def text_rules(checks: Checks) -> list[Rule]:
    """Return what is expected of texts."""
    return [
        Rule("short", "Characters of the shortest text", "rows", "characters", "error", low=checks.min_characters),
        Rule("encoding", "Characters that were lost in decoding (U+FFFD)", "rows", "replaced", "warning", high=0),
        Rule(
            "alike",
            "Share of test texts that equal a training text but for case, spaces and punctuation",
            "facts",
            "alike_share",
            "warning",
            high=checks.max_alike_share,
        ),
        Rule("long", "Characters of the longest text", "rows", "characters", "warning", high=checks.max_characters),
        Rule(
            "unknown-tokens",
            "Share of tokens that the tokenizer does not know",
            "facts",
            "unknown_share",
            "warning",
            high=checks.max_unknown_share,
        ),
    ]


def _gist(text: str) -> str | None:
    """Return the sha256 of a text's letters and digits, small; None where it has none."""
    kept = "".join(re.findall(r"\w", text.casefold()))
    return hashlib.sha256(kept.encode("utf-8", "surrogatepass")).hexdigest() if kept else None


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else f"{line[:SHOWN]} …"


def _tokens(texts: Sequence[str], path: Path) -> dict[str, Sequence[int]]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    unknown: int | None = tokenizer.token_to_id(getattr(tokenizer.model, "unk_token", None) or "[UNK]")
    encoded = [encoding.ids for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False)]
    return {"tokens": [len(ids) for ids in encoded], "unknown": [sum(one == unknown for one in ids) for ids in encoded]}
