"""Everything a report tells, gathered before a word of it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from graft.errors import place_of
from graft.evaluation.arms import Arm, take_truths
from graft.evaluation.calibration import Bin
from graft.evaluation.cost import Cost
from graft.evaluation.label_curve import LabelCurve
from graft.evaluation.operating_point import RocCurve
from graft.evaluation.points import Point
from graft.evaluation.samples import Sample
from graft.reading.splitting import strata
from graft.report.inputs import SHOWN, show_answer

if TYPE_CHECKING:
    import pyarrow as pa

    from graft.problems import Problem

WORST = 12


@dataclass(frozen=True)
class Mistake:
    """A test row that the packaged model got wrong: where it is, what it was taken for, and how surely."""

    label: str
    predicted: str
    probability: float | None
    """None where the model gives no probabilities of classes."""
    place: str
    text: str | None = None
    image: str | None = None
    """A picture of the input, as a data URI."""
    sound: str | None = None
    """The input to listen to, as a data URI."""
    aligned: str | None = None
    """What was expected and what was answered in one line, where an answer can be right in part."""
    earned: float | None = None
    """What the answer earned of the metric, where it can be right in part."""


@dataclass(frozen=True)
class Fact:
    """One line of the lineage: what, which, and the digest that pins it."""

    what: str
    value: str
    digest: str = ""


@dataclass(frozen=True)
class Evidence:
    """The numbers of an evaluation and what they rest on."""

    metrics: Mapping[str, Any]
    study: Mapping[str, Any]
    trials: Sequence[Mapping[str, str]]
    curves: Sequence[Mapping[str, str]]
    costs: Sequence[Cost]
    confusion: npt.NDArray[np.int64] | None
    """Rows of each true and predicted class; None where the problem has no classes."""
    reliability: tuple[Sequence[Bin], Sequence[Bin]] | None
    mistakes: Sequence[Mistake]
    robustness: Sequence[Point]
    label_curve: LabelCurve
    lineage: Sequence[Fact]
    checks: Mapping[str, Any]
    """check.json of the target."""
    roc: Sequence[RocCurve] = ()
    """Curves of sensitivity against specificity, where the catalogue names a positive class."""
    accepts: Mapping[str, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]] | None = None
    """False and true accept rates of winner and control; None where no pairs are told apart."""
    drawn: Sequence[str] = ("pareto",)
    """What the catalogue asks to be drawn of the search, `study.report`."""
    samples: Sequence[Sample] = ()
    """What was written before and after, where the problem writes."""


def count_confusions(labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return how many rows of each true class (row) were predicted as each class (column)."""
    classes = probabilities.shape[1]
    cells = labels * classes + probabilities.argmax(axis=1)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def worst_mistakes(
    table: pa.Table, probabilities: npt.NDArray[np.float64], labels: Sequence[str], problem: Problem
) -> list[Mistake]:
    """Return the wrong predictions that were made most surely, the surest first."""
    truth = strata(table)
    predicted, sureness = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != truth)
    wrong = wrong[np.argsort(-sureness[wrong], kind="stable")][:WORST]
    return [
        Mistake(
            label=labels[truth[index]],
            predicted=labels[predicted[index]],
            probability=float(sureness[index]),
            place=place_of(row),
            **SHOWN[problem.modality](row),
        )
        for index, row in zip(wrong, table.take(wrong).to_pylist(), strict=True)
    ]


def worst_answers(table: pa.Table, winner: Arm, problem: Problem) -> list[Mistake]:
    """Return the rows on which the packaged model earned least, the worst first, with what was answered instead."""
    own = problem.grade_rows(winner.answers[0], winner.truths)
    earned = own if problem.higher_is_better else -own
    order = np.argsort(earned, kind="stable")[:WORST]
    said = problem.tell(winner.answers[0][order], take_truths(winner.truths, order))
    return [
        replace(
            Mistake(
                one.expected, one.answered, None, place_of(row), **show_answer(problem, row, winner.answers[0][index])
            ),
            aligned=one.aligned,
            earned=float(own[index]),
        )
        for index, one, row in zip(order, said, table.take(order).to_pylist(), strict=True)
    ]
