"""Whether a network takes what it will be given: two rows go through it before anything is trained."""

from __future__ import annotations

import copy
import logging
from typing import TYPE_CHECKING, Any

from graft.backbones.groups import layer_groups
from graft.errors import CatalogError

if TYPE_CHECKING:
    import torch
    from torch import nn

    from graft.problems.problem import Batch

log = logging.getLogger(__name__)
SIDES = (32, 64, 75, 96, 128, 160, 192, 224, 256, 288, 299, 384, 448, 512)
"""Sizes of image to try where the given one does not go through: those that networks are usually made for."""
WIDE, MOST = 50_000_000, 0.8


def require_fit(model: Any, batch: Batch) -> None:
    """Raise CatalogError where a network cannot read a batch, with what it could read; `batch` has no labels.

    Its state is left alone. Warns of a single block that holds most of a large network.
    """
    import torch

    training = model.training
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            model.eval()(**batch)
    except (RuntimeError, ValueError, TypeError, AssertionError, IndexError) as error:
        pixels = batch.get("pixel_values")
        if pixels is not None and pixels.ndim == 5:  # views of images
            pixels = pixels.flatten(0, 1)
        what = "images" if pixels is None else _words(pixels)
        raise CatalogError(
            f"{_name(model)} cannot read {'its inputs' if pixels is None else what}",
            [" ".join(str(error).split())[:300]],
            "" if pixels is None else _advise(model, pixels),
        ) from error
    finally:
        model.train(training)
    _warn_of_width(model)


def _advise(model: nn.Module, pixels: torch.Tensor) -> str:
    """Return what to write instead: the number of channels or the sizes that the network does take."""
    import torch

    first = next((weight for weight in model.parameters() if weight.ndim == 4), None)
    if first is not None and first.shape[1] != pixels.shape[1]:
        return (
            f"Its first convolution reads {first.shape[1]} channel(s), the image processor gives {pixels.shape[1]}. "
            "With `config`, write `num_channels: N` (transformers) or `model_args: {in_chans: N}` (timm), where N is 1 "
            "for grey and 3 for colour; a checkpoint needs a processor with as many values in image_mean."
        )
    shadow = copy.deepcopy(model).to("meta").eval()  # shapes alone: nothing is computed
    taken = []
    for side in SIDES:
        try:
            with torch.no_grad():
                shadow(pixel_values=torch.empty(2, pixels.shape[1], side, side, device="meta"))
            taken.append(str(side))
        except (RuntimeError, ValueError, TypeError, AssertionError, IndexError):
            continue
    if not taken:
        return "No usual size of image goes through it either; compare its configuration with the architecture's."
    return (
        f"Of the usual sizes it takes {', '.join(taken)}: write `pretraining: {{image_size: {taken[0]}}}`. A network "
        f"made for one size is made for another by `image_size: {pixels.shape[-1]}` (transformers) or `model_args: "
        f"{{img_size: {pixels.shape[-1]}}}` (timm) in its config; a checkpoint's size is that of its processor."
    )


def _warn_of_width(model: Any) -> None:
    groups = layer_groups(model)
    largest, total = max(groups, key=lambda group: group.parameters), sum(group.parameters for group in groups)
    if largest.parameters >= max(WIDE, MOST * total):
        log.warning(
            "%s: %s holds %d of its %d million weights; for VGG, `model_args: {mlp_ratio: 0.05}` in a new network's "
            "config makes the wide layers narrow",
            *(_name(model), largest.name, largest.parameters // 10**6, total // 10**6),
        )


def _name(model: Any) -> str:
    return str(getattr(model.config, "architecture", None) or model.config.model_type)


def _words(pixels: torch.Tensor) -> str:
    return f"images of {pixels.shape[-1]}x{pixels.shape[-2]} pixels and {pixels.shape[1]} channel(s)"
