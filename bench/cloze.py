"""Questions made of plain passages: a sentence with a hole, and what is missing is the answer.

After Dhingra et al. 2018, "Simple and Effective Semi-Supervised Question Answering": nobody has to write a question,
and what a network learns, to find the place that a question speaks of, is what it needs for those that people write.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'(])")
NAME = r"(?:[A-Z][\w'’.-]*(?:\s+(?:of|the|and|de|van)?\s*[A-Z][\w'’-]*)*)"
NUMBER = r"(?:\$?\d[\d,.]*(?:\s*(?:%|percent|million|billion|km|years?|miles|metres|meters))?)"
WORDS = r"(?:\b[a-z]{4,}(?:\s+[a-z]{3,}){0,2})"
ANSWER = re.compile(f"{NAME}|{NUMBER}|{WORDS}")
YEAR = re.compile(r"1\d\d\d|20\d\d")
PLAIN_SHARE = 0.35  # of answers that are neither a name nor a number, which most of a text is
MOST_CHARACTERS = 110  # of a passage around a hole; one in seven has twice as many


@dataclass(frozen=True)
class Hole:
    """An answer, by its first character in a passage, and the sentence that it is of."""

    answer: str
    start: int
    sentence: int


def ask(passage: str, most: int, draws: random.Random) -> Iterator[dict[str, Any]]:
    """Yield up to so many rows of `text`, `question` and `answers`, of one passage."""
    sentences = [*_sentences(passage)]
    holes = [hole for hole in _holes(passage, sentences) if draws.random() < _share(hole.answer)]
    draws.shuffle(holes)
    for hole in holes[:most]:
        first, last = sentences[hole.sentence]
        left = passage[first : hole.start].split()[-draws.randint(3, 6) :]
        right = passage[hole.start + len(hole.answer) : last].split()[: draws.randint(3, 6)]
        words = [_word(hole.answer, draws), *(word.strip('.,;()"') for word in left + right)]
        begin, end = _around(sentences, hole.sentence, draws)
        answer = {"text": [hole.answer], "answer_start": [hole.start - begin]}
        yield {"text": passage[begin:end], "question": " ".join(filter(None, words)) + "?", "answers": answer}


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


def _around(sentences: list[tuple[int, int]], number: int, draws: random.Random) -> tuple[int, int]:
    """Return where a passage of a few sentences around one begins and ends."""
    first = last = number
    most = MOST_CHARACTERS * (1 if draws.random() < 6 / 7 else 2)
    while True:
        before, after = (
            (max(first - 1, 0), last) if draws.random() < 0.5 else (first, min(last + 1, len(sentences) - 1))
        )
        if (before, after) == (first, last) or sentences[after][1] - sentences[before][0] > most:
            return sentences[first][0], sentences[last][1]
        first, last = before, after
