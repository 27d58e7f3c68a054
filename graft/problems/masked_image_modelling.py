"""Masked image modelling: paint the hidden patches of unlabelled images (He et al. 2022, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graft.problems.examples import Examples
from graft.problems.pixels import normalise
from graft.problems.problem import Batch
from graft.problems.unlabelled_images import UnlabelledImages

if TYPE_CHECKING:
    import torch


class MaskedImageModelling(UnlabelledImages):
    """Images in, their hidden patches out; pretrains a vision transformer without labels.

    How many patches are hidden and how large they are is said by the network's configuration.
    """

    name = "masked-image-modelling"
    auto_model = "AutoModelForMaskedPatches"

    def collate(
        self, examples: Examples, rows: Sequence[int], processor: Any, generator: torch.Generator, training: bool
    ) -> Batch:
        """Return `pixel_values` (rows, channels, height, width), normalised, and `draws` that tell what is hidden.

        `draws` (rows, height, width) are uniform. `labels` (rows,) say nothing: what is to be painted is in the image.
        """
        import torch

        pixels = normalise(torch.from_numpy(examples.stack(rows)).float(), processor)
        draws = torch.rand(len(rows), *pixels.shape[2:], generator=generator)
        return {"pixel_values": pixels, "draws": draws, "labels": torch.zeros(len(rows), dtype=torch.int64)}

    def read(self, output: Any) -> torch.Tensor:
        """Return of each row its hidden patches' squared errors, each the mean over a patch, and how many these are.

        (rows, 2): of a patch that was seen nothing counts (section 3, Reconstruction target).
        """
        import torch

        errors = ((output.logits.float() - output.patches.float()) ** 2).mean(dim=-1)
        hidden = output.hidden.float()
        return torch.stack([(errors * hidden).sum(dim=1), hidden.sum(dim=1)], dim=1)

    def loss(self, logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
        """Return the mean squared error of the hidden patches, in normalised pixels; nothing is smoothed."""
        return logits[:, 0].sum() / logits[:, 1].sum()
