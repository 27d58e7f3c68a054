"""Questions made of plain passages: a sentence with a hole, and what is missing is the answer.

After Dhingra et al. 2018, "Simple and Effective Semi-Supervised Question Answering": nobody has to write a question,
and what a network learns, to find the place that a question speaks of, is what it needs for those that people write.
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'(])")
NAME = r"(?:[A-Z][\w'’.-]*(?:\s+(?:of|the|and|de|van)?\s*[A-Z][\w'’-]*)*)"
NUMBER = r"(?:\$?\d[\d,.]*(?:\s*(?:%|percent|million|billion|km|years?|miles|metres|meters))?)"
WORDS = r"(?:\b[a-z]{4,}(?:\s+[a-z]{3,}){0,2})"
ANSWER = re.compile(f"{NAME}|{NUMBER}|{WORDS}")
YEAR = re.compile(r"1\d\d\d|20\d\d")
PLAIN_SHARE = 0.35  # of answers that are neither a name nor a number, which most of a text is
CHARACTERS = (170, 850)  # of a text around a hole: up to those of most passages that people ask about
REACH = 16  # words on either side of a hole that a question may be made of
MOST_LEFT_OUT = 0.6  # of these words: a person repeats some of a sentence, seldom all of it


@dataclass(frozen=True)
class Hole:
    """An answer, by its first character in a passage, and the sentence that it is of."""

    answer: str
    start: int
    sentence: int


def ask(passage: str, most: int, draws: random.Random, others: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """Yield up to so many rows of `text`, `question` and `answers`, of one passage.

    In half of the texts the sentence stands among `others`, sentences of any passage: where it is, and what else is
    said there, then tells nothing, and a network must compare words.
    """
    places = [*_sentences(passage)]
    sentences = [passage[start:end] for start, end in places]
    holes = [hole for hole in _holes(passage, places) if draws.random() < _share(hole.answer)]
    draws.shuffle(holes)
    for hole in holes[:most]:
        first, last = places[hole.sentence]
        words = [_word(hole.answer, draws), *_beside(passage[first:last], hole, first, draws)]
        before, after = _around(sentences, hole.sentence, others if draws.random() < 0.5 else (), draws)
        text = " ".join([*before, passage[first:last], *after])
        start = sum(len(sentence) + 1 for sentence in before) + hole.start - first
        answer = {"text": [hole.answer], "answer_start": [start]}
        yield {"text": text, "question": " ".join(filter(None, words)) + "?", "answers": answer}


def _sentences(passage: str) -> Iterator[tuple[int, int]]:
    start = 0
    for gap in SENTENCE.finditer(passage):
        yield start, gap.start()
        start = gap.end()
    yield start, len(passage)


def _holes(passage: str, sentences: list[tuple[int, int]]) -> Iterator[Hole]:
    for number, (start, end) in enumerate(sentences):
        for found in ANSWER.finditer(passage, start, end):
            answer = found.group().rstrip(".,")
            if found.start() > start and len(answer) > 1:
                yield Hole(answer, found.start(), number)


def _share(answer: str) -> float:
    return PLAIN_SHARE if answer[0].islower() else 1.0


def _word(answer: str, draws: random.Random) -> str:
    """Return the word that a question about such an answer begins with."""
    if YEAR.fullmatch(answer):
        return "when"
    if answer[0].isdigit() or answer[0] == "$":
        return draws.choice(["how many", "how much", "what"])
    return draws.choice(["who", "what", "where", "which"] if answer[0].isupper() else ["what", "which", "how"])


def _beside(sentence: str, hole: Hole, first: int, draws: random.Random) -> Iterator[str]:
    """Yield words around a hole in their order, a drawn share of them left out."""
    start, reach, kept = hole.start - first, draws.randint(3, REACH), 1 - draws.uniform(0, MOST_LEFT_OUT)
    left, right = sentence[:start].split()[-reach:], sentence[start + len(hole.answer) :].split()[:reach]
    yield from (word.strip('.,;()"') for word in left + right if draws.random() < kept)


def _around(
    sentences: Sequence[str], number: int, others: Sequence[str], draws: random.Random
) -> tuple[list[str], list[str]]:
    """Return the sentences before and after one: its neighbours, or some of `others` where there are any."""
    before: list[str] = []
    after: list[str] = []
    first, last, left = number - 1, number + 1, draws.randint(*CHARACTERS) - len(sentences[number])
    while left > 0 and (others or first >= 0 or last < len(sentences)):
        ahead = draws.random() < 0.5 if others or (first >= 0 and last < len(sentences)) else first >= 0
        sentence = draws.choice(others) if others else sentences[first if ahead else last]
        first, last = (first - 1, last) if ahead else (first, last + 1)
        left -= len(sentence) + 1
        if left >= 0:
            (before if ahead else after).append(sentence)
    return before[::-1], after


def split_sentences(passage: str) -> list[str]:
    """Return the sentences of a passage."""
    return [passage[start:end] for start, end in _sentences(passage)]
