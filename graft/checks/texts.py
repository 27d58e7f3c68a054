"""What is looked at in texts, and what is expected of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.checks.rule import Rule
from graft.reading import hash_text

if TYPE_CHECKING:
    from graft.catalog import Checks

SHOWN = 80  # characters of a text that a message repeats


def describe_texts(texts: Sequence[str], tokenizer: Path | None) -> dict[str, Sequence[Any]]:
    """Return hash, characters and words of texts; tokens, and how many are unknown, where a tokenizer is given."""
    features: dict[str, Sequence[Any]] = {
        "hash": [hash_text(text) for text in texts],
        "characters": [len(text.strip()) for text in texts],
        "words": [len(text.split()) for text in texts],
        "what": [_shorten(text) for text in texts],
    }
    return features | (_tokens(texts, tokenizer) if tokenizer else {})


def text_rules(checks: Checks) -> list[Rule]:
    """Return what is expected of texts."""
    return [
        Rule("short", "Characters of the shortest text", "rows", "characters", "error", low=checks.min_characters),
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


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else f"{line[:SHOWN]} …"


def _tokens(texts: Sequence[str], path: Path) -> dict[str, Sequence[int]]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    unknown: int | None = tokenizer.token_to_id(getattr(tokenizer.model, "unk_token", None) or "[UNK]")
    encoded = [encoding.ids for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False)]
    return {"tokens": [len(ids) for ids in encoded], "unknown": [sum(one == unknown for one in ids) for ids in encoded]}
