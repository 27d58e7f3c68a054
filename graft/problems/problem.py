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

    `features` are per-row arrays: uint8 (channels, height, width) for images, token ids (length,) for
    text. `labels` are class indices (rows,), or None where the problem has none.
    """

    features: Sequence[np.ndarray]
    labels: np.ndarray | None

    def __len__(self) -> int:
        return len(self.features)


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
