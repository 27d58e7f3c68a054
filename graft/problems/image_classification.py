"""Image classification: one of several labels for an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graft.problems.classification import Classification
from graft.problems.examples import Examples
from graft.problems.pixels import fit_processor, normalise, read_pixels
from graft.problems.problem import Batch, Modality

if TYPE_CHECKING:
    import pyarrow as pa
    import torch

    from graft.catalog import Pretraining


class ImageClassification(Classification):
    """Images in, one label out."""

    name = "image-classification"
    modality: Modality = "image"
    columns: tuple[str, ...] = ("image", "label")
    auto_model = "AutoModelForImageClassification"

    def make_processor(self, table: pa.Table, config: Mapping[str, Any], recipe: Pretraining) -> Any:
        """Return an image processor that resizes and normalises by the training pixels' mean and deviation."""
        return fit_processor(table, config, recipe)

    def encode(self, table: pa.Table, processor: Any) -> Examples:
        """Return resized uint8 pixels (channels, height, width): see `pixels`."""
        import numpy as np

        labels = np.asarray(table["label"], dtype=np.int64) if "label" in table.column_names else None
        return Examples(read_pixels(table, processor), labels)

    def collate(
        self, examples: Examples, rows: Sequence[int], processor: Any, generator: torch.Generator, training: bool
    ) -> Batch:
        """Return `pixel_values` (rows, channels, height, width), normalised as the processor would, and `labels`."""
        import numpy as np
        import torch

        batch = {"pixel_values": normalise(torch.from_numpy(examples.stack(rows)).float(), processor)}
        if examples.labels is not None:
            batch["labels"] = torch.from_numpy(np.asarray(examples.labels)[list(rows)])
        return batch
