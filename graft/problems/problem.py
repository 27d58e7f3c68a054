"""What a problem knows: columns, processor, batches, loss, predictions, metrics.

Problem modules import torch and transformers inside their functions: the catalogue and the data checks
read names and columns from here and must start quickly, also on machines without a training stack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    import torch

    from graft.catalog import Pretraining
    from graft.corruptions import Corruption

Batch = dict[str, "torch.Tensor"]
Modality = Literal["image", "text"]


@dataclass(frozen=True)
class Examples:
    """Rows after the processor, before batching.

    `features` are per-row arrays: uint8 (channels, height, width) for images, best in one array over all rows;
    token ids (length,) for text. `labels` are class indices (rows,), or None where the problem has none.
    """

    features: Sequence[np.ndarray] | np.ndarray
    labels: np.ndarray | None
    widths: np.ndarray | None = None
    """Number of tokens that each row is padded to (rows,), in whatever batch; None pads to the longest of a batch."""
    origin: np.ndarray | None = None
    """Number of each row in the examples that these were taken from (rows,); None where they are all of them."""
    bytes: int | None = None
    """Bytes of all the texts, where every token of them is predicted once: what a loss per byte is taken over."""

    def __len__(self) -> int:
        return len(self.features)

    def take(self, rows: Sequence[int] | np.ndarray) -> Examples:
        """Return some rows, each with its width and its number in the first examples."""
        import numpy as np

        chosen = np.asarray(rows, dtype=np.int64)
        return Examples(
            self.stack(chosen) if isinstance(self.features, np.ndarray) else [self.features[row] for row in chosen],
            None if self.labels is None else self.labels[chosen],
            None if self.widths is None else self.widths[chosen],
            chosen if self.origin is None else self.origin[chosen],
        )

    def numbers(self, rows: Sequence[int]) -> list[int]:
        """Return the numbers of some rows in the examples that all were taken from."""
        return list(rows) if self.origin is None else [int(number) for number in self.origin[list(rows)]]

    def stack(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return the features of some rows, all of one shape, as one array (rows, ...)."""
        import numpy as np

        if isinstance(self.features, np.ndarray):  # one gather, where a list takes a copy for every row
            return self.features[np.asarray(rows, dtype=np.int64)]
        return np.stack([self.features[row] for row in rows])


class Problem(Protocol):
    """One kind of prediction. A new one is a file beside this and a line in `PROBLEMS`."""

    name: str
    modality: Modality
    columns: tuple[str, ...]
    """Canonical columns a row must have, such as `image` and `label`."""
    metric: str
    """The headline metric: a key of what `measure` returns, or `loss`."""
    higher_is_better: bool
    auto_model: str
    """The transformers class that adds this problem's head to a backbone."""

    @property
    def corruptions(self) -> Mapping[str, Corruption[Any]]:
        """What its inputs may suffer, by name: see graft/corruptions."""

    def make_processor(self, table: pa.Table, config: Mapping[str, Any], recipe: Pretraining) -> Any:
        """Return a new processor (image processor or tokenizer) fitted on the source's training rows."""

    def encode(self, table: pa.Table, processor: Any) -> Examples:
        """Return the rows of a canonical table as `Examples`."""

    def collate(
        self, examples: Examples, rows: Sequence[int], processor: Any, generator: torch.Generator, training: bool
    ) -> Batch:
        """Return the model's inputs and `labels` for some rows; `generator` makes every random draw."""

    def loss(self, logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
        """Return the mean loss over what `weigh` counts."""

    def weigh(self, labels: torch.Tensor) -> int:
        """Return how many predictions of a batch the loss is the mean of."""

    def measure(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """Return every metric but the loss of logits (rows, classes) against labels (rows,)."""


def corruptions_of(modality: Modality) -> Mapping[str, Corruption[Any]]:
    """Return the corruptions of a kind of input, by name."""
    # By name: what a step imports is what DVC watches, and another corruption is no reason to train again.
    members: Mapping[str, Corruption[Any]] = import_module("graft.corruptions").FAMILIES[modality].members
    return members
