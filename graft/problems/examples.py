"""Rows after the processor: what a network reads, what it is to answer, and which items make a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np

Truths: TypeAlias = "np.ndarray | Sequence[Any] | None"
"""What the rows of some examples should be answered with, row by row; None where the inputs say it themselves."""


@dataclass(frozen=True)
class Examples:
    """Rows after the processor, before batching.

    What a network reads at once is an item: a whole row for most problems, one window of a long one for some.
    `features` are per-item arrays: uint8 (channels, height, width) for images, best in one array over all items;
    token ids (length,) for text; float32 samples (length,) or frames (frames, bins) for audio. `labels` are what a
    model is trained to say of each item: class indices (items,), or whatever array the problem has, or None where it
    needs none.
    """

    features: Sequence[np.ndarray] | np.ndarray
    labels: Sequence[np.ndarray] | np.ndarray | None
    widths: np.ndarray | None = None
    """Tokens or samples that each item is padded to (items,), whatever the batch; None pads to the longest of it."""
    origin: np.ndarray | None = None
    """Number of each item in the examples that these were taken from (items,); None where they are all of them."""
    truths: Sequence[Any] | None = None
    """What each row should be answered with; None where that is what the labels say."""
    rows: np.ndarray | None = None
    """The row that each item is of (items,), from 0 and in order; None where every item is a row."""

    def __len__(self) -> int:
        return len(self.features)

    @property
    def row_count(self) -> int:
        """The number of rows."""
        return len(self.features) if self.rows is None else int(self.rows[-1]) + 1 if len(self.rows) else 0

    @property
    def expected(self) -> Truths:
        """What each row should be answered with; None where it is not known, or the inputs say it themselves."""
        return self.labels if self.truths is None else self.truths

    def take(self, rows: Sequence[int] | np.ndarray) -> Examples:
        """Return some rows with all of their items, each with its width and its number in the first examples."""
        import numpy as np

        chosen = np.asarray(rows, dtype=np.int64)
        truths = None if self.truths is None else [self.truths[row] for row in chosen]
        if self.rows is None:
            return self._take(chosen, truths, None)
        items = [np.flatnonzero(self.rows == row) for row in chosen]
        return self._take(np.concatenate(items), truths, np.repeat(np.arange(len(items)), [*map(len, items)]))

    def _take(self, items: np.ndarray, truths: Sequence[Any] | None, rows: np.ndarray | None) -> Examples:
        import numpy as np

        def some(values: Sequence[np.ndarray] | np.ndarray) -> Sequence[np.ndarray] | np.ndarray:
            return values[items] if isinstance(values, np.ndarray) else [values[item] for item in items]

        return Examples(
            self.stack(items) if isinstance(self.features, np.ndarray) else some(self.features),
            None if self.labels is None else some(self.labels),
            None if self.widths is None else self.widths[items],
            items if self.origin is None else self.origin[items],
            truths,
            rows,
        )

    def numbers(self, items: Sequence[int]) -> list[int]:
        """Return the numbers of some items in the examples that all were taken from."""
        return list(items) if self.origin is None else [int(number) for number in self.origin[list(items)]]

    def stack(self, items: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return the features of some items, all of one shape, as one array (items, ...)."""
        import numpy as np

        if isinstance(self.features, np.ndarray):  # one gather, where a list takes a copy for every row
            return self.features[np.asarray(items, dtype=np.int64)]
        return np.stack([self.features[item] for item in items])
