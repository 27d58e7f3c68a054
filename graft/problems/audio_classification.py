"""Audio classification: one of several labels for a clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graft.problems.classification import Classification
from graft.problems.examples import Examples
from graft.problems.problem import Batch, Modality
from graft.problems.waveforms import encode_clips, make_extractor, pad_clips

if TYPE_CHECKING:
    import pyarrow as pa
    import torch

    from graft.catalog import Pretraining


class AudioClassification(Classification):
    """Clips in, one label out."""

    name = "audio-classification"
    modality: Modality = "audio"
    columns: tuple[str, ...] = ("audio", "label")
    auto_model = "AutoModelForAudioClassification"

    def make_processor(self, table: pa.Table, config: Mapping[str, Any], recipe: Pretraining) -> Any:
        """Return a feature extractor at the recipe's sampling rate, or else the data's own."""
        return make_extractor(table, config, recipe)

    def encode(self, table: pa.Table, processor: Any) -> Examples:
        """Return samples or frames, mono, at the processor's rate and cut at its seconds."""
        return encode_clips(table, processor)

    def collate(
        self, examples: Examples, rows: Sequence[int], processor: Any, generator: torch.Generator, training: bool
    ) -> Batch:
        """Return `input_values` (rows, samples) or (rows, frames, bins), a mask where there is one, and `labels`."""
        import numpy as np
        import torch

        batch = pad_clips(examples, rows, processor)
        if examples.labels is not None:
            batch["labels"] = torch.from_numpy(np.asarray(examples.labels)[list(rows)])
        return batch
