"""What a score is measured on: frozen features of labelled rows, and the forms of them that several scores need."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
CONSTANT = 1e-6  # float32 features that should be equal differ by about 1e-7 of their size


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows of a target as a frozen source sees them, at one boundary of its layer groups."""

    features: npt.NDArray[np.floating]
    """(rows, dimensions)."""
    labels: npt.NDArray[np.integer]
    """(rows,), any whole numbers."""
    probabilities: npt.NDArray[np.floating] | None = None
    """The source's own predictions (rows, source classes); None where its problem has no classes."""

    def __post_init__(self) -> None:
        rows = len(self.labels)
        if self.features.ndim != 2 or len(self.features) != rows:
            raise ValueError(f"expected features of shape ({rows}, dimensions), found {self.features.shape}")
        if self.probabilities is not None and (self.probabilities.ndim != 2 or len(self.probabilities) != rows):
            raise ValueError(f"expected probabilities of shape ({rows}, classes), found {self.probabilities.shape}")

    @cached_property
    def classes(self) -> npt.NDArray[np.int64]:
        """The labels counted from 0 without gaps, (rows,)."""
        return np.asarray(np.unique(self.labels, return_inverse=True)[1], dtype=np.int64)

    @cached_property
    def counts(self) -> npt.NDArray[np.int64]:
        """Rows of each class, (classes,)."""
        return np.asarray(np.bincount(self.classes), dtype=np.int64)

    @cached_property
    def members(self) -> Matrix:
        """Membership (rows, classes): 1 where the row is of the class, 0 elsewhere."""
        return np.asarray(np.eye(len(self.counts))[self.classes])

    @cached_property
    def rotated(self) -> Matrix:
        """The features in at most as many dimensions as there are rows.

        A rotation, so that distances and inner products of rows are those of the features: what depends on nothing
        else costs the same for 4,000 dimensions as for 100.
        """
        features = self.features.astype(np.float64)
        rows, dimensions = features.shape
        if dimensions <= rows:
            return features
        return np.ascontiguousarray(np.asarray(np.linalg.qr(features.T, mode="r")).T)

    @cached_property
    def centred(self) -> Matrix:
        """The rotated features around their mean."""
        return np.asarray(self.rotated - self.rotated.mean(axis=0))

    @cached_property
    def label_fault(self) -> str:
        """Why no score can be read from these labels; empty where some can."""
        rows, classes = len(self.labels), len(self.counts)
        if rows < 2:
            return f"{rows} labelled row{'' if rows == 1 else 's'}; at least two are needed"
        if classes < 2:
            return f"all {rows} rows have the same label; at least two classes are needed"
        if classes == rows:
            return f"each of the {rows} rows has a label of its own; some class needs two rows"
        return ""

    @cached_property
    def feature_fault(self) -> str:
        """Why no score can be read from these features; empty where some can."""
        if fault := _not_finite(self.features, "features"):
            return fault
        if np.linalg.norm(self.centred) <= CONSTANT * np.linalg.norm(self.rotated):
            return "the features are the same for every row"
        return ""

    @cached_property
    def probability_fault(self) -> str:
        """Why no score can be read from the source's predictions; empty where some can."""
        if self.probabilities is None:
            return "the source predicts no classes"
        return _not_finite(self.probabilities, "predictions of the source")


def _not_finite(values: npt.NDArray[np.floating], what: str) -> str:
    bad = int((~np.isfinite(values).all(axis=1)).sum())
    return f"{bad} of {len(values)} rows have {what} that are NaN or infinite" if bad else ""
