"""Every score at every layer-group boundary of a source checkpoint, on the labelled rows of a target."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from graft.backbones import load
from graft.problems.examples import Examples
from graft.problems.problem import Problem, has_classes
from graft.reading.splitting import choose_share
from graft.training.device import make_accelerator
from graft.transferability import SCORES
from graft.transferability.features import Frozen, extract
from graft.transferability.sample import Sample
from graft.transferability.score import UndefinedScore, Value

Values = dict[str, Value]
MOST_ROWS = 500  # scores hardly change beyond, and the cost of some grows with the square


def score_checkpoint(
    source: Path, source_problem: Problem, problem: Problem, examples: Examples, processor: Any
) -> dict[str, Values]:
    """Return value or reason of every score, by boundary in order, for a source checkpoint on labelled rows.

    Of more than 500 rows as many are drawn, by class.
    """
    if examples.labels is None:
        raise ValueError("scores need labels; these examples have none")
    labels = np.asarray(examples.labels)
    rows = draw(labels)
    model = load_frozen(source, source_problem, problem)
    frozen = extract(model, problem, examples.take(rows), processor, has_classes(source_problem))
    return score_boundaries(frozen, labels[rows])


def score_boundaries(frozen: Frozen, labels: np.ndarray[Any, Any]) -> dict[str, Values]:
    """Return value or reason of every score, by boundary in order, for labels (rows,) of the frozen rows."""
    samples = {name: Sample(features, labels, frozen.probabilities) for name, features in frozen.boundaries.items()}
    with threadpool_limits(
        1
    ):  # for matrices this small, threads wait for each other: 30 times longer on a busy machine
        return {name: {one.name: one(sample) for one in SCORES.values()} for name, sample in samples.items()}


def load_frozen(source: Path, source_problem: Problem, problem: Problem) -> Any:
    """Return a checkpoint's model on the device of the settings; a head that has no classes is replaced unseen."""
    labels = None if has_classes(source_problem) else ("0", "1")
    return load(source, problem if labels else source_problem, labels).to(make_accelerator().device)


def draw(labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the rows that scores are read from: all, or a stratified part of more than 500."""
    if len(labels) <= MOST_ROWS:
        return np.arange(len(labels))
    return choose_share(labels, MOST_ROWS / len(labels), seed=0)


def count_drawn(examples: Examples) -> int:
    """Return how many rows scores are read from."""
    return 0 if examples.labels is None else len(draw(np.asarray(examples.labels)))


def split_values(values: Mapping[str, Value]) -> tuple[dict[str, float], dict[str, str]]:
    """Return the scores that have a value, and the reasons of those that have none."""
    known = {name: value for name, value in values.items() if not isinstance(value, UndefinedScore)}
    return known, {name: value.reason for name, value in values.items() if isinstance(value, UndefinedScore)}


def describe(boundaries: Mapping[str, Values]) -> list[dict[str, Any]]:
    """Return the boundaries from the bottom up as JSON holds them: `boundary`, its `scores`, and why others have none.

    `boundary` is the last layer group below it: what is frozen where training starts just above.
    """
    found = []
    for name, values in boundaries.items():
        known, undefined = split_values(values)
        scores = {score: round(value, 6) for score, value in known.items()}
        found.append({"boundary": name, "scores": scores, "undefined": undefined})
    return found
