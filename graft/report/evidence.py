"""Everything a report tells, gathered before a word of it is written."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from graft.evaluation.calibration import Bin
from graft.evaluation.cost import Cost
from graft.evaluation.label_curve import LabelCurve
from graft.evaluation.points import Point

if TYPE_CHECKING:
    import pyarrow as pa

    from graft.problems import Problem

WORST = 12
THUMBNAIL = 160  # pixels of the longer side at the most
SENTENCE = 400  # characters


@dataclass(frozen=True)
class Mistake:
    """A test row that the packaged model got wrong: where it is, what it was taken for, and how surely."""

    label: str
    predicted: str
    probability: float
    place: str
    text: str | None = None
    image: str | None = None


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
    confusion: npt.NDArray[np.int64]
    reliability: tuple[Sequence[Bin], Sequence[Bin]]
    mistakes: Sequence[Mistake]
    robustness: Sequence[Point]
    label_curve: LabelCurve
    lineage: Sequence[Fact]
    checks: Mapping[str, Any]
    """check.json of the target."""
    drawn: Sequence[str] = ("pareto",)
    """What the catalogue asks to be drawn of the search, `study.report`."""


def count_confusions(labels: npt.NDArray[np.int64], probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return how many rows of each true class (row) were predicted as each class (column)."""
    classes = probabilities.shape[1]
    cells = labels * classes + probabilities.argmax(axis=1)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def worst_mistakes(
    table: pa.Table, probabilities: npt.NDArray[np.float64], labels: Sequence[str], problem: Problem
) -> list[Mistake]:
    """Return the wrong predictions that were made most surely, the surest first."""
    truth = np.asarray(table["label"], dtype=np.int64)
    predicted, sureness = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != truth)
    wrong = wrong[np.argsort(-sureness[wrong], kind="stable")][:WORST]
    return [
        Mistake(
            label=labels[truth[index]],
            predicted=labels[predicted[index]],
            probability=float(sureness[index]),
            place=_place(row),
            text=_shortened(row["text"]) if problem.modality == "text" else None,
            image=_thumbnail(row["image"]) if problem.modality == "image" else None,
        )
        for index, row in zip(wrong, table.take(wrong).to_pylist(), strict=True)
    ]


def _place(row: Mapping[str, Any]) -> str:
    return f"{row['file']}, row {row['row']}" if row["row"] else str(row["file"])


def _shortened(text: str) -> str:
    return text if len(text) <= SENTENCE else f"{text[:SENTENCE]} …"


def _thumbnail(cell: Mapping[str, Any]) -> str:
    from graft.reading import convert_image, open_image

    image = convert_image(open_image(dict(cell)), "RGB")
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    stream = io.BytesIO()
    image.save(stream, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"
