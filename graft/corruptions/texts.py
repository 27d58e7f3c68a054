"""Corruptions of texts: what hasty writing and careless handling do to them.

The severity is the share of the words, or of the letters, that are affected: rounded, and at least one. Words are
what white space divides, so the corruptions of words leave a text in a script without spaces as it is. The
white space itself stays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from graft.corruptions.corruption import Corruption, Family
from graft.reading import hash_text

Item = TypeVar("Item")
WORD = re.compile(r"\S+")
KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
NEIGHBOURS = {
    key: row[max(place - 1, 0) : place] + row[place + 1 : place + 2] for row in KEYS for place, key in enumerate(row)
}
LETTERS = (0.02, 0.05, 0.1, 0.15, 0.2)
WORDS = (0.1, 0.2, 0.3, 0.4, 0.5)
CASED = (0.2, 0.4, 0.6, 0.8, 1.0)


def add_typos(text: str, severity: int, random: np.random.Generator) -> str:
    """2 to 20 % of the letters swapped, left out, doubled, or taken from the key beside (Belinkov and Bisk 2018)."""
    letters = [place for place, character in enumerate(text) if character.isalpha()]
    kinds = dict(zip(letters, random.integers(4, size=len(letters)).tolist(), strict=True))
    sides = dict(zip(letters, random.random(len(letters)).tolist(), strict=True))
    pieces = list(text)
    # from the end, so that a letter is changed before it may be swapped with the one before it
    for place in sorted(_choose(letters, LETTERS[severity - 1], random), reverse=True):
        _mistype(pieces, text, place, kinds[place], sides[place], alone=len(letters) == 1)
    return "".join(pieces)


def change_case(text: str, severity: int, random: np.random.Generator) -> str:
    """20 to 100 % of the words with capital and small letters exchanged."""
    words = [match for match in WORD.finditer(text) if match[0] != match[0].swapcase()]
    chosen = _choose(words, CASED[severity - 1], random)
    return _replace(text, {match.span(): match[0].swapcase() for match in chosen})


def drop_words(text: str, severity: int, random: np.random.Generator) -> str:
    """10 to 50 % of the words left out, never the last one that is left (Wei and Zou 2019, random deletion)."""
    words = list(re.finditer(r"\S+\s*", text))
    chosen = _choose(words, WORDS[severity - 1], random)[: max(len(words) - 1, 0)]
    return _replace(text, {match.span(): "" for match in chosen})


def swap_words(text: str, severity: int, random: np.random.Generator) -> str:
    """10 to 50 % of the words exchanged with the word beside (Wei and Zou 2019, random swap)."""
    words = list(WORD.finditer(text))
    wanted = max(1, round(WORDS[severity - 1] * len(words) / 2))
    taken: set[int] = set()
    replacements: dict[tuple[int, int], str] = {}
    for first in random.permutation(max(len(words) - 1, 0)).tolist():
        if len(taken) < 2 * wanted and not {first, first + 1} & taken:
            taken |= {first, first + 1}
            replacements[words[first].span()] = words[first + 1][0]
            replacements[words[first + 1].span()] = words[first][0]
    return _replace(text, replacements)


SENTENCES: dict[str, Corruption[str]] = {
    "typos": add_typos,
    "case": change_case,
    "dropped-words": drop_words,
    "swapped-words": swap_words,
}
TEXTS = Family("text", SENTENCES, str, lambda text, side: text, hash_text, str)


def _choose(items: Sequence[Item], share: float, random: np.random.Generator) -> list[Item]:
    """Return a share of the items, at least one; a larger share holds the smaller one's."""
    order = random.permutation(len(items))
    return [items[place] for place in order[: max(1, round(share * len(items)))]]


def _replace(text: str, replacements: dict[tuple[int, int], str]) -> str:
    parts, end = [], 0
    for (begin, stop), word in sorted(replacements.items()):
        parts += [text[end:begin], word]
        end = stop
    return "".join([*parts, text[end:]])


def _mistype(pieces: list[str], text: str, place: int, kind: int, side: float, alone: bool) -> None:
    """Change one letter in place; what cannot be done to it becomes a doubling."""
    letter = text[place]
    near = NEIGHBOURS.get(letter.lower(), "")
    beside = text[place + 1 : place + 2]
    if kind == 0 and beside.isalpha() and beside != letter:
        pieces[place], pieces[place + 1] = pieces[place + 1], pieces[place]
    elif kind == 1 and not alone:
        pieces[place] = ""
    elif kind == 2 and near:
        key = near[int(side * len(near))]
        pieces[place] = key.upper() if letter.isupper() else key
    else:
        pieces[place] = letter * 2
