"""Candidate and champion on the same test rows, none of which either was trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from graft.errors import RegistryError
from graft.problems.grades import Grades
from graft.problems.problem import has_classes
from graft.registry.package import Package, find_problem, load

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    from graft.problems import Problem

TestRows = Callable[[], tuple["pa.Table", Sequence[str]]]
"""Reads the target's test rows anew: a canonical table and the hash of each row."""


@dataclass(frozen=True)
class Pairs:
    """What either earned of the metric row by row, and how the rows came together."""

    candidate: Grades
    champion: Grades
    excluded: int
    """Test rows left out because one of the two was trained on them."""
    predicted: int
    """Rows that the champion had not seen before and predicted for this comparison."""
    higher_is_better: bool = True


@dataclass(frozen=True)
class Answer:
    """One test row: its hash, its true label and the probability of each label by name."""

    hash: str
    truth: str
    shares: Mapping[str, float]


def pair(candidate: Package, champion: Package, test_rows: TestRows) -> Pairs:
    """Return both packages' results on the candidate's test rows; raises RegistryError where that cannot be had.

    Labels are compared by name, since their order may have changed. The candidate's data is the newer one, so
    its labels are the truth for both, and both are compared by its headline metric. Rows that the
    champion's stored predictions lack are predicted by it. Where there are no classes the champion answers every row
    anew, and is graded by the truths of now.
    """
    if candidate.facts["problem"] != champion.facts["problem"]:
        raise RegistryError(f"the champion is for {champion.facts['problem']}, this is {candidate.facts['problem']}")
    trained = {*candidate.rows_met, *champion.rows_met}
    if not has_classes(problem := find_problem(candidate)):
        return _pair_grades(problem, candidate, champion, trained, test_rows)
    every = answers(candidate)
    rows = [row for row in every if row.hash not in trained]
    if not rows:
        raise RegistryError(f"none of the {len(every)} test rows is outside of both models' training rows")
    known = {row.hash: row.shares for row in answers(champion)}
    absent = {row.hash for row in rows} - known.keys()
    if absent:
        known |= _predict(champion, absent, test_rows)
    labels = [*dict.fromkeys([*candidate.facts["labels"], *champion.facts["labels"]])]
    truths = np.array([labels.index(row.truth) for row in rows])
    return Pairs(
        candidate=problem.grade(_logits([row.shares for row in rows], labels), truths),
        champion=problem.grade(_logits([known[row.hash] for row in rows], labels), truths),
        excluded=len(every) - len(rows),
        predicted=len(absent),
        higher_is_better=problem.higher_is_better,
    )


def _pair_grades(
    problem: Problem, candidate: Package, champion: Package, trained: set[str], test_rows: TestRows
) -> Pairs:
    import pyarrow.parquet as pq

    stored = pq.read_table(candidate.folder / "predictions.parquet").to_pylist()
    kept = {row["hash"]: row for row in stored if row["hash"] not in trained}
    if not kept:
        raise RegistryError(f"none of the {len(stored)} test rows is outside of both models' training rows")
    table, hashes = test_rows()
    place = {row_hash: row for row, row_hash in enumerate(hashes) if row_hash in kept}
    if gone := len(kept) - len(place):
        raise RegistryError(f"{gone} test rows of the candidate are no longer in the target's data")
    model, rows = load(champion), table.take(list(place.values()))
    asked = rows.drop_columns([*problem.truths])
    truths = problem.encode(rows, model.processor).expected
    mine = np.asarray([kept[key]["answer"] for key in place], dtype=np.float32)
    return Pairs(
        candidate=problem.grade(mine, truths),
        champion=problem.grade(model.answers(asked), truths),
        excluded=len(stored) - len(kept),
        predicted=len(place),
        higher_is_better=problem.higher_is_better,
    )


def answers(package: Package) -> list[Answer]:
    """Return what a package's model predicted for the test rows of its own evaluation."""
    import pyarrow.parquet as pq

    labels = package.facts["labels"]
    rows = pq.read_table(package.folder / "predictions.parquet", columns=["hash", "label", "transfer"]).to_pylist()
    return [Answer(row["hash"], labels[row["label"]], dict(zip(labels, row["transfer"], strict=True))) for row in rows]


def _predict(champion: Package, absent: set[str], test_rows: TestRows) -> Mapping[str, Mapping[str, float]]:
    """Return the champion's probabilities for rows it had not predicted before."""
    table, hashes = test_rows()
    place = {row_hash: row for row, row_hash in enumerate(hashes) if row_hash in absent}
    if gone := len(absent - place.keys()):
        raise RegistryError(f"{gone} test rows of the candidate are no longer in the target's data")
    model = load(champion)
    shares = model.probabilities(table.take(list(place.values())))
    return {key: dict(zip(model.labels, row, strict=True)) for key, row in zip(place, shares.tolist(), strict=True)}


def _logits(rows: Sequence[Mapping[str, float]], labels: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return logits (rows, labels) of probabilities by name; a label that a model does not know has none."""
    shares = np.array([[row.get(label, 0.0) for label in labels] for row in rows])
    logits: npt.NDArray[np.float64] = np.log(np.maximum(shares, np.finfo(np.float64).tiny))
    return logits
