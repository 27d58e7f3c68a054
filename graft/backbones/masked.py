"""A vision transformer under the decoder that paints hidden patches (He et al. 2022, section 3): transformers' own.

What is added to it: which patches are hidden is told by whoever asks, so that a score is one number and not a draw, and
what should have been painted is returned beside what was.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import transformers
from transformers.utils import ModelOutput

MASKED = "vit_mae"
TINY = 1e-6  # added to a patch's variance, as the paper's code has it


@dataclass
class Painted(ModelOutput):  # type: ignore[misc]
    """What the decoder says of every patch, what the image has there, and which patches were hidden."""

    logits: torch.Tensor | None = None
    """(rows, patches, numbers of a patch)."""
    patches: torch.Tensor | None = None
    """(rows, patches, numbers of a patch); each patch normalised where the configuration says `norm_pix_loss`."""
    hidden: torch.Tensor | None = None
    """(rows, patches); 1 for a hidden patch, 0 for one that was seen."""


class ViTMAEForPreTraining(transformers.ViTMAEForPreTraining):  # type: ignore[misc]
    """The network of that name: its checkpoints are those of transformers, in both directions."""

    def forward(self, pixel_values: torch.Tensor, draws: torch.Tensor | None = None) -> Painted:
        """Return patches of images (rows, channels, height, width).

        `draws` (rows, height, width) are uniform; a patch has the draw of its corner, and those with the largest are
        hidden. Without them torch draws.
        """
        side = self.config.patch_size
        noise = None if draws is None else draws[:, ::side, ::side].flatten(1)
        seen = self.vit(pixel_values, noise=noise)
        logits = self.decoder(seen.last_hidden_state, seen.ids_restore).logits
        patches = self.patchify(pixel_values)
        if self.config.norm_pix_loss:
            centre, spread = patches.mean(dim=-1, keepdim=True), patches.var(dim=-1, keepdim=True)
            patches = (patches - centre) / (spread + TINY) ** 0.5
        return Painted(logits, patches, seen.mask)


class AutoModelForMaskedPatches:
    """What `AutoModelFor...` is for transformers' own heads."""

    @staticmethod
    def from_config(config: Any, **_: Any) -> Any:
        """Return a network of random weights."""
        return ViTMAEForPreTraining(config)

    @staticmethod
    def from_pretrained(folder: Any, trust_remote_code: bool = False, **options: Any) -> Any:
        """Return what transformers reads from a folder."""
        return ViTMAEForPreTraining.from_pretrained(folder, **options)


def without_decoder(config: Any) -> Any:
    """Return the configuration of the vision transformer below the decoder; any other one as it is.

    Its weights have the same names and shapes, so the same file fills it.
    """
    if config.model_type != MASKED:
        return config
    plain = transformers.ViTConfig()
    known = {name: value for name, value in config.to_dict().items() if name in plain.to_dict()}
    known = {name: known[name] for name in known.keys() - {"model_type", "architectures", "transformers_version"}}
    return transformers.ViTConfig(**known)
