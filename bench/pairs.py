"""Pairs of a source and a target with few labels, and everything that a study of one needs, in one process."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bench import sources
from graft.backbones import load, load_processor
from graft.catalog import Data, Study
from graft.problems import PROBLEMS, Problem
from graft.problems.examples import Examples
from graft.reading import read
from graft.reading.reader import read_given
from graft.settings import settings
from graft.study import Bench, StudyResult, plan, search
from graft.study.caching import with_prefix
from graft.study.candidates import Candidate
from graft.training.batches import group_by_length
from graft.training.device import use_threads

LABELS = 20  # per class
TEST_ROWS = 1000  # that a study may see, as many as a small benchmark has
TRUTH_ROWS = 2000  # that none of its models has met, and that its interval must speak for


@dataclass(frozen=True)
class Pair:
    """A source and the target it is adapted to."""

    source: str
    target: str
    problem: str
    nature: str
    """What is known beforehand about the source."""

    def __str__(self) -> str:
        return f"{self.source} → {self.target}"


PAIRS = (
    Pair("mnist", "fashion_mnist", "image-classification", "new labels"),
    Pair("fashion_mnist", "mnist", "image-classification", "new labels"),
    Pair("fashion_mnist", "pneumonia", "image-classification", "far"),
    Pair("movie_reviews", "review_sentences", "text-classification", "same labels, other domains"),
    Pair("movie_reviews", "emotion", "text-classification", "new labels"),
    Pair("shakespeare", "movie_reviews", "text-classification", "far, a masked language model"),
    Pair("mnist, labels shuffled", "fashion_mnist", "image-classification", "wrong labels known by heart"),
    Pair("mnist, rate of 1", "fashion_mnist", "image-classification", "trained to pieces"),
    Pair("movie_reviews, labels shuffled", "review_sentences", "text-classification", "wrong labels known by heart"),
    Pair("random weights (images)", "fashion_mnist", "image-classification", "knows nothing"),
    Pair("random weights (texts)", "emotion", "text-classification", "knows nothing"),
)


@dataclass(frozen=True)
class Ready:
    """A pair with one draw of labels: the study's bench, and labelled rows of the same kind to measure on."""

    pair: Pair
    checkpoint: Path
    """The source's folder."""
    bench: Bench
    train: pa.Table
    data: Data
    test: Examples
    """Rows that the study measures on."""
    truth: Examples
    """Other rows: what the study's answer is compared with."""
    store: str
    """Name of the folder of recorded activations."""

    @property
    def problem(self) -> Problem:
        """What is predicted."""
        return self.bench.problem

    @property
    def processor(self) -> Any:
        """The source's image processor or tokenizer."""
        return self.bench.processor

    def plan(self) -> tuple[list[Candidate], list[str], Any]:
        """Return the study's candidates, its notes and its rule of selection."""
        return plan(self.bench, self.train, self.data)

    def search(self, cached: bool = True) -> tuple[Bench, StudyResult]:
        """Run the whole search as the step `adapt` does; return it with the bench that it ran on."""
        candidates, notes, selection = self.plan()
        bench = with_prefix(self.bench, candidates, self.store) if cached else self.bench
        return bench, search(bench, self.train, candidates, notes, selection, silent)


def silent(step: int, message: str) -> None:
    """Report nothing."""


@contextmanager
def ready(pair: Pair, study: Study, draw: int, labels_per_class: int = LABELS) -> Iterator[Ready]:
    """Yield a pair with the labels of one draw; its folders are gone afterwards."""
    problem, checkpoint = PROBLEMS[pair.problem], sources.open_source(pair.source)
    data = Data(path=str(sources.real(pair.target)), labels_per_class=labels_per_class, seed=draw)
    train, rest, labels = _deal(data, problem)
    processor = load_processor(checkpoint, problem)
    source = load(checkpoint, problem, labels)
    use_threads(source)
    size = study.batch_size
    test, truth = (group_by_length(problem.encode(rows, processor), size) for rows in rest)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        name = Path(folder).name
        bench = Bench(
            problem=problem, processor=processor, source=source, labels=labels,
            examples=group_by_length(problem.encode(train, processor), size), study=study, folder=Path(folder),
        )  # fmt: skip
        try:
            yield Ready(pair, checkpoint, bench, train, data, test, truth, name)
        finally:
            shutil.rmtree(settings().work / "activations" / name, ignore_errors=True)


def _deal(data: Data, problem: Problem) -> tuple[pa.Table, tuple[pa.Table, pa.Table], tuple[str, ...]]:
    """Return labelled rows, those of the study's test and those of the truth, all drawn from every row there is.

    The splits that a dataset came with may differ in kind (the test rows of pneumonia do); here whoever measures on
    some rows must be able to speak for the others.
    """
    given, labels, _ = read_given(data, problem)
    pool = pa.concat_tables(given.values())
    train = read(data, problem).splits["train"]
    taken = set(zip(train["file"].to_pylist(), train["row"].to_pylist(), strict=True))
    places = zip(pool["file"].to_pylist(), pool["row"].to_pylist(), strict=True)
    free = np.array([number for number, place in enumerate(places) if place not in taken])
    order = np.random.default_rng(1000 + data.seed).permutation(free)
    test = min(TEST_ROWS, len(order) // 3)
    parts = order[:test], order[test : test + TRUTH_ROWS]
    first, second = (pool.take(pa.array(part)) for part in parts)
    return train, (first, second), labels
