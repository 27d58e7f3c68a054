"""Grades: what every row earns of a metric, and what it could, so that any part of the rows has its value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True)
class Grades:
    """Sums that a metric is a ratio of, row by row; a metric that is one is known for any draw of the rows.

    Its value is the sum of what was earned over the sum of what was possible, and where it has several parts (classes,
    for a mean over classes) the mean of these ratios. Accuracy: 1 or 0 of 1. Word error rate: edits of words. Loss:
    nats of tokens. Intersection over union: pixels in both of pixels in either, a part for each class.
    """

    earned: npt.NDArray[np.float64]
    """(models, rows, parts)."""
    possible: npt.NDArray[np.float64]
    """(models, rows, parts)."""

    @classmethod
    def of(cls, earned: npt.ArrayLike, possible: npt.ArrayLike | None = None) -> Self:
        """Return the grades of (rows,), (models, rows) or (models, rows, parts); each counts 1 without `possible`."""
        import numpy as np

        got = np.asarray(earned, dtype=np.float64)
        most = np.ones_like(got) if possible is None else np.asarray(possible, dtype=np.float64)
        if got.shape != most.shape or not 1 <= got.ndim <= 3 or got.size == 0:
            raise ValueError(f"expected grades of shape (models, rows, parts), found {got.shape} of {most.shape}")
        got, most = (array[None, :, None] if array.ndim == 1 else array for array in (got, most))
        return cls(*(array[:, :, None] if array.ndim == 2 else array for array in (got, most)))

    @classmethod
    def stack(cls, models: Sequence[Grades]) -> Self:
        """Return the grades of several models on the same rows as those of one list of models."""
        import numpy as np

        return cls(*(np.concatenate([getattr(one, name) for one in models]) for name in ("earned", "possible")))

    @property
    def rows(self) -> int:
        """The number of rows."""
        return int(self.earned.shape[1])

    @property
    def values(self) -> npt.NDArray[np.float64]:
        """The metric of each model (models,)."""
        import numpy as np

        return np.asarray(ratio(self.earned.sum(axis=1), self.possible.sum(axis=1)))

    @property
    def mean(self) -> float:
        """The metric, the mean over models."""
        return float(self.values.mean())

    @property
    def most(self) -> float:
        """The largest value that the metric can have: 1 where no row earns more than is possible, else infinity."""
        return 1.0 if bool((self.earned <= self.possible).all()) else float("inf")

    def take(self, rows: npt.ArrayLike) -> Self:
        """Return the grades of some rows."""
        import numpy as np

        chosen = np.asarray(rows)
        return type(self)(self.earned[:, chosen], self.possible[:, chosen])

    def __add__(self, other: Grades) -> Grades:
        """Return for each row the sums of both: the grades of the same rows in two conditions, taken together."""
        return Grades(self.earned + other.earned, self.possible + other.possible)


def ratio(earned: npt.NDArray[np.float64], possible: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the mean over parts (the last axis) of the ratios of two sums; a part that has nothing is left out.

    0 where no part has anything.
    """
    import numpy as np

    there = possible > 0
    shares = np.divide(earned, possible, out=np.zeros_like(earned), where=there)
    return np.asarray(shares.sum(axis=-1) / np.maximum(there.sum(axis=-1), 1))
