"""The label curve: winner and control trained on ever larger parts of the labelled budget.

How a score grows with the number of labels is a learning curve (Viering and Loog 2022, The Shape of Learning Curves: a
Review). Nothing is measured here: the models answer test inputs without their labels, and the evaluation reads the
answers. So another report trains nothing again, and nothing that is trained here has met a test label.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from graft.errors import CatalogError
from graft.reading.splitting import choose_whole
from graft.study.study import Report, StudyResult, shifted
from graft.study.trial import Bench, Outcome, run_part
from graft.training.scoring import join

if TYPE_CHECKING:
    import pyarrow as pa

    from graft.problems.examples import Examples

log = logging.getLogger(__name__)
POINTS, DOUBLINGS = 6, 5  # where the counts are not asked for: six, from 1/32 of the budget on
FEWEST = 3  # counts without which there is no curve
MOST_ROWS = 2000  # test rows: more would cost more than the trainings do
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Point:
    """One model of the curve: what it was trained on, and its answers (test rows, numbers)."""

    arm: str
    """`transfer` or `scratch`."""
    rows: int
    """Labelled rows that it was trained on."""
    outcome: Outcome
    answers: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Curve:
    """The models that were trained for it, and what they, or those of an earlier study, answered; None: no curve."""

    points: Sequence[Point]
    answers: pa.Table | None

    @classmethod
    def of(cls, points: Sequence[Point], test: Labels) -> Self:
        """Return the curve of some models that answered test rows of these numbers (test rows,)."""
        models = [(one.arm, one.outcome.seed, one.rows) for one in points]
        return cls(points, tabulate(models, test, join([one.answers for one in points])) if points else None)


def tabulate(models: Sequence[tuple[str, int, int]], test: Labels, answers: npt.NDArray[np.float32]) -> pa.Table:
    """Return one row for each model and test row: arm, seed, labels, row, answers (models x test rows, numbers)."""
    import pyarrow as pa

    arms, seeds, labels = zip(*models, strict=True)
    return pa.table(
        {
            "arm": np.repeat(arms, len(test)),
            "seed": np.repeat(seeds, len(test)),
            "labels": np.repeat(labels, len(test)),
            "row": np.tile(test, len(models)),
            "answers": pa.FixedSizeListArray.from_arrays(answers.ravel(), answers.shape[1]),
        }
    )


def choose_answers(answers: pa.Table, then: Sequence[str], now: Sequence[str], rows: Labels) -> pa.Table | None:
    """Return an earlier study's answers about the test rows of now, or None where one of these was not among them.

    `then` and `now` are hashes of the test rows, `rows` the numbers of those of now.
    """
    places = {key: place for place, key in enumerate(then)}
    if missing := [key for key in now if key not in places]:
        log.info("the label curve of then is not kept: %d of %d test rows are new", len(missing), len(now))
        return None
    columns = [answers[name].to_pylist()[:: len(then)] for name in ("arm", "seed", "labels")]
    known = np.stack(answers["answers"].to_numpy()).reshape(len(columns[0]), len(then), -1)
    chosen = known[:, [places[key] for key in now]]
    return tabulate(list(zip(*columns, strict=True)), rows, chosen.reshape(-1, known.shape[2]))


def choose_counts(labels: Labels, asked: Sequence[int] | None) -> tuple[int, ...]:
    """Return the counts below the whole budget, in labels per class, that the study asks for; none without a curve.

    Where classes differ in size a count is a mean over them. Where none are asked for they are log-spaced. Raises
    CatalogError for a count that the labelled budget (labels, one for each row) does not have.
    """
    classes, sizes = np.unique(labels, return_counts=True)
    budget = len(labels) / len(classes)
    if asked is None:
        spaced = np.geomspace(max(1.0, budget / 2**DOUBLINGS), max(1.0, budget), POINTS)
        asked = [int(count) for count in np.rint(spaced)]
    elif over := [count for count in sorted(asked) if count > budget]:
        least, most = int(sizes.min()), int(sizes.max())
        there = f"{least}" if least == most else f"{least} to {most}, {budget:.1f} in the mean"
        raise CatalogError(
            f"study.label_counts: {len(over)} count(s) are larger than the data",
            [f"{count} labels per class; the labelled budget has {there}" for count in over],
            f"There are {len(labels)} labelled rows of {len(classes)} classes. Ask for counts below that (the whole "
            "budget is always the last point), raise `data.labels_per_class`, or label more rows.",
        )
    parts = {count: sum(_sizes(labels, count)) for count in sorted(set(asked))}
    kept = {rows: count for count, rows in reversed(parts.items()) if rows < len(labels)}  # the least of equal ones
    return tuple(sorted(kept.values())) if len(kept) + 1 >= FEWEST else ()


def explain_counts(labels: Labels, asked: Sequence[int] | None) -> str | None:
    """Return why there is no curve, or None where there is one."""
    if asked is not None and not asked:
        return "No label curve was asked for: `study.label_counts` is empty."
    if choose_counts(labels, asked):
        return None
    return f"No label curve: the labelled budget has fewer than {FEWEST} label counts to compare."


def draw_part(labels: Labels, count: int, seed: int, identities: Sequence[int] | None = None) -> Labels:
    """Return the rows of `count` labels per class, sorted: each class by its share, and at least one row of it.

    Parts of one seed are nested: a larger one holds the smaller. They are drawn as the labelled budget is, row by row
    whatever the group: groups keep training and test rows apart, and no test row is among these. Identities come whole,
    all but the last, one after another.
    """
    if identities is not None:
        return choose_whole([str(one) for one in identities], count, seed)
    generator = np.random.default_rng(seed)
    orders = [generator.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    chosen = [order[:size] for order, size in zip(orders, _sizes(labels, count), strict=True)]
    return np.sort(np.concatenate(chosen))


def draw_test(rows: int) -> Labels:
    """Return the test rows that the curve is measured on, sorted: all, or `MOST_ROWS` drawn without their labels."""
    return np.sort(np.random.default_rng(0).permutation(rows)[:MOST_ROWS])


def count_steps(bench: Bench) -> int:
    """Return the optimizer steps that the curve takes at most."""
    counts = choose_counts(_labels(bench), bench.study.label_counts)
    return 2 * bench.study.seeds * len(counts) * bench.study.budget_steps


def train_curve(bench: Bench, result: StudyResult, test: Examples, report: Report) -> Iterator[Point]:
    """Yield the models of winner and control on every part below the whole budget, with every seed.

    They are trained as the final models are: the same strategy, learning rate, steps and schedule. `test` are inputs
    without labels. A model that was finished before is read, not trained again. There is none of a winner that begins
    from the champion, which knows more labels than any part has.
    """
    labels, done = _labels(bench), 0
    counts = choose_counts(labels, bench.study.label_counts) if result.winner.candidate.begins == "source" else ()
    for arm, chosen in (("transfer", result.winner), ("scratch", result.control[0])):
        for seed in range(bench.study.seeds):
            for count in counts:
                rows = draw_part(labels, count, seed, bench.identities)
                label = f"label curve, {chosen.candidate.strategy} seed {seed} on {len(rows)} labels"
                answers, outcome = run_part(
                    bench, chosen.candidate, seed, chosen.steps, rows, test, shifted(report, done, label)
                )
                done += bench.study.budget_steps
                yield Point(arm, len(rows), outcome, answers)


def _sizes(labels: Labels, count: int) -> list[int]:
    """Return how many rows of each class stand for `count` labels per class."""
    sizes = np.unique(labels, return_counts=True)[1]
    share = count * len(sizes) / len(labels)
    return [min(int(size), max(1, round(share * int(size)))) for size in sizes]


def _labels(bench: Bench) -> Labels:
    return bench.strata
