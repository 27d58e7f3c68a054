"""Grades: what every row earns of a metric, so that any part of the rows, and any draw of them, has its value."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Grades(ABC):
    """What several models' answers about the same rows are worth.

    Most metrics are a ratio of sums over rows (`Sums`, which `of` makes); the others are one of all rows together
    (see `pooled.Pooled`).
    """

    most: float
    """The largest value that the metric can have."""
    unknown: int
    """How many numbers of it are NaN or infinite."""

    @staticmethod
    def of(earned: npt.ArrayLike, possible: npt.ArrayLike | None = None) -> Sums:
        """Return the grades of (rows,), (models, rows) or (models, rows, parts); each counts 1 without `possible`."""
        import numpy as np

        got = np.asarray(earned, dtype=np.float64)
        most = np.ones_like(got) if possible is None else np.asarray(possible, dtype=np.float64)
        if got.shape != most.shape or not 1 <= got.ndim <= 3 or got.size == 0:
            raise ValueError(f"expected grades of shape (models, rows, parts), found {got.shape} of {most.shape}")
        got, most = (array[None, :, None] if array.ndim == 1 else array for array in (got, most))
        return Sums(*(array[:, :, None] if array.ndim == 2 else array for array in (got, most)))

    @staticmethod
    def stack(models: Sequence[Grades]) -> Grades:
        """Return the grades of several models on the same rows, all of one kind, as those of one list of models."""
        return type(models[0])._stack(models)

    @classmethod
    @abstractmethod
    def _stack(cls, models: Sequence[Any]) -> Self:
        """Return the grades of several models on the same rows."""

    @property
    @abstractmethod
    def models(self) -> int:
        """The number of models."""

    @property
    @abstractmethod
    def rows(self) -> int:
        """The number of rows."""

    @property
    def defined(self) -> bool:
        """Say whether the metric has a value on these rows."""
        return True

    @property
    def units(self) -> npt.NDArray[np.int64] | None:
        """What each row is of (rows,), where rows of one thing are drawn together; None where each is drawn alone."""
        return None

    @property
    def values(self) -> npt.NDArray[np.float64]:
        """The metric of each model (models,)."""
        import numpy as np

        return np.asarray(self.drawn(np.ones((1, self.rows)))[0])

    @property
    def mean(self) -> float:
        """The metric, the mean over models."""
        return float(self.values.mean())

    @property
    def by_row(self) -> npt.NDArray[np.float64]:
        """The metric of each model on each row alone (models, rows)."""
        import numpy as np

        return self.drawn(np.eye(self.rows)).T

    @abstractmethod
    def drawn(self, counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the metric of each model (draws, models) where rows are there `counts` times (draws, rows)."""

    @abstractmethod
    def take(self, rows: npt.ArrayLike) -> Self:
        """Return the grades of some rows."""

    @abstractmethod
    def __add__(self, other: Self) -> Self:
        """Return the grades of the same rows in two conditions, taken together."""

    @abstractmethod
    def __eq__(self, other: object) -> bool:
        """Say whether both are worth the same, row by row."""


@dataclass(frozen=True, eq=False)
class Sums(Grades):
    """Sums that a metric is a ratio of, row by row.

    Its value is the sum of what was earned over the sum of what was possible, and where it has several parts (classes,
    for a mean over classes) the mean of these ratios. Accuracy: 1 or 0 of 1. Word error rate: edits of words. Loss:
    nats of tokens. Intersection over union: pixels in both of pixels in either, a part for each class.
    """

    earned: npt.NDArray[np.float64]
    """(models, rows, parts)."""
    possible: npt.NDArray[np.float64]
    """(models, rows, parts)."""

    @classmethod
    def _stack(cls, models: Sequence[Any]) -> Self:
        import numpy as np

        return cls(*(np.concatenate([getattr(one, name) for one in models]) for name in ("earned", "possible")))

    @property
    def models(self) -> int:
        """The number of models."""
        return int(self.earned.shape[0])

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
    def by_row(self) -> npt.NDArray[np.float64]:
        """The metric of each model on each row alone (models, rows)."""
        return ratio(self.earned, self.possible)

    @property
    def most(self) -> float:  # type: ignore[override]
        """The largest value that the metric can have: 1 where no row earns more than is possible, else infinity."""
        return 1.0 if bool((self.earned <= self.possible).all()) else float("inf")

    @property
    def unknown(self) -> int:  # type: ignore[override]
        """How many numbers are NaN or infinite."""
        import numpy as np

        return sum(int((~np.isfinite(array)).sum()) for array in (self.earned, self.possible))

    @property
    def defined(self) -> bool:
        """Say whether any row could have earned anything."""
        return bool((self.possible > 0).any())

    def drawn(self, counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the metric of each model (draws, models) where rows are there `counts` times (draws, rows)."""
        import numpy as np

        return ratio(*(np.einsum("dr,mrp->dmp", counts, array) for array in (self.earned, self.possible)))

    def take(self, rows: npt.ArrayLike) -> Self:
        """Return the grades of some rows."""
        import numpy as np

        chosen = np.asarray(rows)
        return type(self)(self.earned[:, chosen], self.possible[:, chosen])

    def __add__(self, other: Self) -> Self:
        """Return for each row the sums of both conditions."""
        return type(self)(self.earned + other.earned, self.possible + other.possible)

    def __eq__(self, other: object) -> bool:
        """Say whether both earn the same of the same, row by row."""
        import numpy as np

        if not isinstance(other, Sums):
            return False
        return np.array_equal(self.earned, other.earned) and np.array_equal(self.possible, other.possible)


def ratio(earned: npt.NDArray[np.float64], possible: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the mean over parts (the last axis) of the ratios of two sums; a part that has nothing is left out.

    0 where no part has anything.
    """
    import numpy as np

    there = possible > 0
    shares = np.divide(earned, possible, out=np.zeros_like(earned), where=there)
    return np.asarray(shares.sum(axis=-1) / np.maximum(there.sum(axis=-1), 1))
