"""Words to be found again in a text: the first thing that a network has to learn about questions.

A network that begins at random answers no question before it can compare words, and questions of a sentence in texts of
a hundred words hardly teach that: for thousands of steps it learns where answers tend to be. One to three words among
two dozen teach it within some hundred steps. After Ram et al. 2021, "Few-Shot Question Answering by Pretraining Span
Selection", where the answer is a span that stands elsewhere too.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Any

KINDS = (((10, 20), (1, 3)), ((24, 70), (2, 10)))  # words of a text, and of what is looked up in it
MOST_LEFT_OUT = 0.4  # of the words that are looked up


def look_up(sentences: Sequence[str], each: int, draws: random.Random) -> Iterator[dict[str, Any]]:
    """Yield so many rows of each kind: `text`, words of it in any order as the `question`, and where they are."""
    for lengths, counts in KINDS:
        for _ in range(each):
            words = _words(sentences, draws.randint(*lengths), draws)
            count = draws.randint(*counts)
            first = draws.randint(0, len(words) - count)
            looked_up, kept = words[first : first + count], 1 - draws.uniform(0, MOST_LEFT_OUT)
            question = [word for word in looked_up if draws.random() < kept] or looked_up[:1]
            if draws.random() < 0.5:
                draws.shuffle(question)
            start = sum(len(word) + 1 for word in words[:first])
            answer = {"text": [" ".join(looked_up)], "answer_start": [start]}
            yield {"text": " ".join(words), "question": " ".join(question), "answers": answer}


def _words(sentences: Sequence[str], count: int, draws: random.Random) -> list[str]:
    """Return so many words of sentences in a drawn order."""
    words: list[str] = []
    while len(words) < 2 * count:
        words += draws.choice(sentences).split()
    first = draws.randint(0, len(words) - count)
    return words[first : first + count]
