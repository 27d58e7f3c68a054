"""The trivial answer to a problem: the best one that does not look at what it is asked, chosen on training rows.

It knows every training label, also those beyond the labelled budget, and is graded on the test rows as a model is.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from graft.evaluation.bootstrap import Interval, estimate
from graft.problems import Problem
from graft.problems.average_precision import COUNTED, overlap
from graft.problems.examples import Examples
from graft.problems.masks import pack
from graft.problems.problem import has_classes
from graft.problems.transcripts import FACTS
from graft.reading import VOID

Answers = npt.NDArray[np.float32]
MISSING = "no trivial answer is known to {}; add one to CONSTANTS in bench/trivial.py"
LENGTHS = (1, 2, 3, 5, 8, 12, 20, 30)  # tokens of an answer at the beginning of a text
MOST_BOXES = 100  # that are answered for every image
TRANSCRIPTS = 40  # of training that are tried as the answer to every clip


@dataclass(frozen=True)
class Constant:
    """One answer to everything."""

    words: str
    about: Callable[[Examples], Answers]
    """Returns the answers about some rows, as a model would give them: (rows, numbers)."""


@dataclass(frozen=True)
class Trivial:
    """The best constant answer and what it is worth on the test rows."""

    words: str
    interval: Interval

    @property
    def ends(self) -> tuple[float, float, float]:
        """Value, and the ends of its interval."""
        return self.interval.value, self.interval.low, self.interval.high


def measure(problem: Problem, train: Examples, test: Examples, labels: Sequence[str], **draws: Any) -> Trivial:
    """Return the constant answer that is best on training rows, with the interval of its metric on the test rows."""
    if not is_known(problem):
        raise ValueError(MISSING.format(problem.name))
    sign = 1 if problem.higher_is_better else -1
    found = [*CONSTANTS[_kind(problem)](train, labels)]
    worth = [sign * problem.grade(one.about(train), train.expected).mean for one in found]
    best = found[int(np.argmax(worth))]
    return Trivial(best.words, estimate(problem.grade(best.about(test), test.expected), **draws))


def is_known(problem: Problem) -> bool:
    """Say whether there is a trivial answer to a problem."""
    return _kind(problem) in CONSTANTS


def _kind(problem: Problem) -> str:
    return "classes" if has_classes(problem) else problem.name


def _classes(train: Examples, labels: Sequence[str]) -> Iterator[Constant]:
    """Yield every class: the largest wins."""
    for number, label in enumerate(labels):
        row = np.eye(len(labels), dtype=np.float32)[number]
        yield Constant(f"always {label!r}", lambda examples, row=row: np.tile(row, (examples.row_count, 1)))


def _masks(train: Examples, labels: Sequence[str]) -> Iterator[Constant]:
    """Yield the mask of each pixel's commonest class, and those of one class alone."""
    masks, classes = np.asarray(train.labels), len(labels)
    counts = np.stack([((masks == one) & (masks != VOID)).sum(axis=0) for one in range(classes)])
    mean = counts.argmax(axis=0)
    constants = {"the mean mask": mean} | {f"nothing but {name!r}": mean * 0 + one for one, name in enumerate(labels)}
    for words, mask in constants.items():
        row = pack(mask[None].astype(np.uint8), classes)[0]
        yield Constant(words, lambda examples, row=row: np.tile(row, (examples.row_count, 1)))


def _beginnings(train: Examples, labels: Sequence[str]) -> Iterator[Constant]:
    """Yield the first tokens of the text, so and so many."""

    def begin(examples: Examples, length: int) -> Answers:
        assert examples.rows is not None  # a text has windows
        assert examples.labels is not None
        first = np.asarray(examples.labels)[np.unique(examples.rows, return_index=True)[1]]
        start, end = first[:, 2], np.minimum(first[:, 2] + length - 1, first[:, 3])
        zero = np.zeros_like(start)
        return np.stack([zero - 1, zero + 1, zero, start, end], axis=1).astype(np.float32)  # see `spans.join_spans`

    for length in LENGTHS:
        yield Constant(f"the first {length} tokens", lambda examples, length=length: begin(examples, length))


def _transcripts(train: Examples, labels: Sequence[str]) -> Iterator[Constant]:
    """Yield nothing at all, and what is said in some of the training clips."""
    assert train.labels is not None  # every clip has characters
    assert train.truths is not None
    said = {one.text: ids[FACTS:] for one, ids in zip(train.truths, train.labels, strict=True)}
    for text, ids in [("", np.full(1, np.nan)), *sorted(said.items())[:: max(1, len(said) // TRANSCRIPTS)]]:
        row = np.asarray(ids, dtype=np.float32)
        words = f"always {text!r}" if text else "an empty transcript"
        yield Constant(words, lambda examples, row=row: np.tile(row, (examples.row_count, 1)))


def _label_sets(train: Examples, labels: Sequence[str]) -> Iterator[Constant]:
    """Yield how often each label is there: whatever order one ranks the rows of a label in, it is the same for all."""
    shares = np.clip(np.asarray(train.labels, dtype=np.float64).mean(axis=0), 1e-6, 1 - 1e-6)
    row = np.log(shares / (1 - shares)).astype(np.float32)
    yield Constant("how often each label is there", lambda examples: np.tile(row, (examples.row_count, 1)))


def _boxes(train: Examples, labels: Sequence[str]) -> Iterator[Constant]:
    """Yield the same boxes for every image: those of training that overlap most others by a half and more."""
    truths = np.asarray(train.labels)
    boxes = np.concatenate([rows[(rows[:, 0] >= 0) & (rows[:, 5] == COUNTED)] for rows in truths])
    alike = overlap(boxes[:, 1:5], boxes[:, 1:5], np.zeros(len(boxes), bool)) >= 0.5
    alike &= boxes[:, None, 0] == boxes[None, :, 0]
    left, found = np.ones(len(boxes), dtype=bool), []
    while left.any() and len(found) < MOST_BOXES:  # each with those that it overlaps, whose share is its score
        counts = (alike & left).sum(axis=1)
        best = int(np.where(left, counts, 0).argmax())
        found.append([boxes[best, 0], counts[best] / len(boxes), *boxes[best, 1:5]])
        left &= ~alike[best]
    row = np.array(found, dtype=np.float32).ravel()
    yield Constant(f"the {len(found)} commonest boxes", lambda examples: np.tile(row, (examples.row_count, 1)))


def _embeddings(train: Examples, labels: Sequence[str]) -> Iterator[Constant]:
    """Yield one embedding for every image: no pair is more alike than another."""
    row = np.array([1.0, 0.0], dtype=np.float32)
    yield Constant("every pair alike", lambda examples: np.tile(row, (examples.row_count, 1)))


def _unigram(train: Examples, labels: Sequence[str]) -> Iterator[Constant]:
    """Yield the frequencies of tokens in training texts, each counted once more."""
    counts = np.bincount(np.concatenate([window[1:] for window in train.features]))

    def predict(examples: Examples) -> Answers:
        assert examples.rows is not None  # a text has windows
        highest = max(int(window.max()) for window in examples.features)
        known = 1 + np.pad(counts, (0, max(0, highest + 1 - len(counts))))
        nats = -np.log(known / known.sum())
        found = np.zeros((examples.row_count, 2))
        np.add.at(found, examples.rows, [[nats[window[1:]].sum(), len(window) - 1] for window in examples.features])
        return found.astype(np.float32)

    yield Constant("how often each token is there", predict)


CONSTANTS: dict[str, Callable[[Examples, Sequence[str]], Iterator[Constant]]] = {
    "classes": _classes,
    "semantic-segmentation": _masks,
    "question-answering": _beginnings,
    "speech-recognition": _transcripts,
    "object-detection": _boxes,
    "face-verification": _embeddings,
    "text-generation": _unigram,
    "multi-label-image-classification": _label_sets,
}
