"""Metrics of all rows together: average precision, areas under curves, rates at a threshold that the rows set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from graft.problems.grades import Grades

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Shown: TypeAlias = "Sequence[npt.NDArray[Any]]"
"""What each row shows of one model in one condition, as many and whatever numbers the metric needs of it."""
Metric: TypeAlias = "Callable[[Shown, npt.NDArray[np.float64]], npt.NDArray[np.float64]]"
"""Of what the rows show, and of how often each is there (draws, rows), the value in every draw (draws,)."""


@dataclass(frozen=True, eq=False)
class Pooled(Grades):
    """A metric that is no ratio of sums over rows: what each row shows, and the metric of any weights of the rows.

    A row that was drawn twice counts twice in everything that the metric counts. Over several conditions it is the mean
    of its values in each.
    """

    metric: Metric
    shown: Sequence[Sequence[Shown]]
    """By model, then by condition."""
    most: float = 1.0
    chance: float = 0.0
    """What counts where the metric is undefined, NaN, such as a draw in which all rows are of one class."""

    @classmethod
    def of_rows(cls, metric: Metric, rows: Shown, chance: float = 0.0) -> Self:
        """Return the grades of one model in one condition."""
        return cls(metric, [[list(rows)]], chance=chance)

    @classmethod
    def _stack(cls, models: Sequence[Any]) -> Self:
        return cls(models[0].metric, [each for one in models for each in one.shown], models[0].most, models[0].chance)

    @property
    def models(self) -> int:
        """The number of models."""
        return len(self.shown)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.shown[0][0])

    @property
    def unknown(self) -> int:  # type: ignore[override]
        """How many numbers are NaN or infinite."""
        import numpy as np

        return sum(int((~np.isfinite(row)).sum()) for model in self.shown for rows in model for row in rows)

    def drawn(self, counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the metric of each model (draws, models) where rows are there `counts` times (draws, rows)."""
        import numpy as np

        found = [np.mean([self._of(rows, counts) for rows in model], axis=0) for model in self.shown]
        return np.stack(found, 1)

    def _of(self, rows: Shown, counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        import numpy as np

        return np.nan_to_num(self.metric(rows, counts), nan=self.chance)

    @property
    def defined(self) -> bool:
        """Say whether the metric has a value on these rows."""
        import numpy as np

        whole = np.ones((1, self.rows))
        return all(bool(np.isfinite(self.metric(rows, whole)).all()) for model in self.shown for rows in model)

    def take(self, rows: npt.ArrayLike) -> Self:
        """Return the grades of some rows."""
        import numpy as np

        chosen = np.arange(self.rows)[np.asarray(rows)].tolist()
        parts = [[[shown[row] for row in chosen] for shown in model] for model in self.shown]
        return type(self)(self.metric, parts, self.most, self.chance)

    def __add__(self, other: Self) -> Self:
        """Return the grades of the same rows in the conditions of both."""
        both = [[*mine, *theirs] for mine, theirs in zip(self.shown, other.shown, strict=True)]
        return type(self)(self.metric, both, self.most, self.chance)

    def __eq__(self, other: object) -> bool:
        """Say whether the rows show the same on both sides."""
        import numpy as np

        if not isinstance(other, Pooled) or (self.models, self.rows) != (other.models, other.rows):
            return False
        return all(
            len(mine) == len(theirs) and all(map(np.array_equal, a, b))
            for mine, theirs in zip(self.shown, other.shown, strict=True)
            for a, b in zip(mine, theirs, strict=True)
        )
