"""Image classification: one of several labels for an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graft.problems.classification import Classification
from graft.problems.pixels import count_channels, normalise, require_plain, resize
from graft.problems.problem import Batch, Examples, Modality

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
        import numpy as np
        from transformers import ViTImageProcessorPil

        channels = count_channels(config)
        size = {"height": recipe.image_size, "width": recipe.image_size}
        raw = ViTImageProcessorPil(size=size, image_mean=[0.0] * channels, image_std=[1.0] * channels)
        pixels = np.asarray(self.encode(table.slice(0, 2000), raw).features, dtype=np.float64) / 255
        return ViTImageProcessorPil(
            size=size,
            image_mean=[round(float(mean), 6) for mean in pixels.mean(axis=(0, 2, 3))],
            image_std=[round(max(float(spread), 1e-3), 6) for spread in pixels.std(axis=(0, 2, 3))],
        )

    def encode(self, table: pa.Table, processor: Any) -> Examples:
        """Return resized uint8 pixels (channels, height, width), normalised later: a quarter of the memory.

        Raises CheckpointError for a processor that cannot be divided so.
        """
        import numpy as np

        from graft.reading import open_image

        require_plain(processor)
        cells = table["image"].to_pylist()
        chunks = (cells[start : start + 256] for start in range(0, len(cells), 256))
        pixels = [resize([open_image(cell) for cell in chunk], processor) for chunk in chunks]
        features: Sequence[np.ndarray] | np.ndarray = np.concatenate(pixels) if pixels else []
        labels = np.asarray(table["label"], dtype=np.int64) if "label" in table.column_names else None
        return Examples(features, labels)

    def collate(
        self, examples: Examples, rows: Sequence[int], processor: Any, generator: torch.Generator, training: bool
    ) -> Batch:
        """Return `pixel_values` (rows, channels, height, width), normalised as the processor would, and `labels`."""
        import numpy as np
        import torch

        pixels = normalise(torch.from_numpy(examples.stack(rows)).float(), processor)
        batch = {"pixel_values": pixels}
        if examples.labels is not None:
            batch["labels"] = torch.from_numpy(np.asarray(examples.labels)[list(rows)])
        return batch
