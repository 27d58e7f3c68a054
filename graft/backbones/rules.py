"""What can be told of a network's configuration before it is built, so that the catalogue's check can say it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from graft.backbones.wrapped import WRAPPED

LEAST_SIDES = {"inception_v": 75, "inception_resnet": 75, "vgg": 32}
"""Pixels below which nothing is left of an image, by how the architecture's name begins; seen by trying."""
SQUARES = ("vit", "vit_mae", "deit", "beit", "vit_msn", "yolos")
"""Transformers' networks that read one size of image, which their own configuration states."""
WORDS = {
    "num_channels": "in_chans",
    "image_size": "img_size",
    "drop_rate": "drop_rate",
    "drop_path_rate": "drop_path_rate",
    "mlp_ratio": "mlp_ratio",
}
"""Keys that are taken for timm's arguments, which stand a level below, and what they are called there."""
REFUSED = {
    "num_classes": "the labels are those of the data; leave it out",
    "pretrained": "for pretrained weights write `hub: timm/NAME` instead of `config`",
    "checkpoint_path": "for weights of your own write `checkpoint: FOLDER` instead of `config`",
    "features_only": "a classifier needs its head; leave it out",
    "aux_logits": "a second classifier would answer beside the first; leave it out",
}
"""Arguments of timm that cannot be: some would load files that are not safetensors."""
LABELS = ("num_labels", "num_classes", "id2label", "label2id", "label_names")


def find_misfits(config: Mapping[str, Any], image_size: int | None = None) -> Iterator[str]:
    """Yield a sentence for each thing about an image network's configuration that cannot work, with what to write.

    `image_size` is the side of the images that it will be given, where that is known.
    """
    kind = config.get("model_type")
    if given := [key for key in LABELS if key in config]:
        yield f"{', '.join(given)}: the labels are those of the data; leave it out"
    if kind == "vit_mae" and not 0 < config.get("mask_ratio", 0.75) < 1:
        yield f"mask_ratio: {config['mask_ratio']} of the patches cannot be hidden; write a share such as 0.75"
    if kind == WRAPPED:
        yield from find_misfits_of_timm(config, image_size)
    elif kind in SQUARES and image_size is not None and (own := config.get("image_size", 224)) != image_size:
        yield (
            f"{kind} reads images of {own} pixels, and those made here have {image_size}; write "
            f"`image_size: {image_size}` in config, or `pretraining: {{image_size: {own}}}`"
        )


def find_misfits_of_timm(config: Mapping[str, Any], image_size: int | None = None) -> Iterator[str]:
    """Yield what cannot work in a configuration of a timm network, also in one that came with a checkpoint."""
    name, arguments = config.get("architecture"), config.get("model_args") or {}
    if not isinstance(name, str):
        yield "timm_wrapper needs `architecture: NAME` with a name of timm's, such as vgg11, inception_v3 or resnet18"
        return
    if ":" in name or "/" in name:
        yield f"architecture '{name}' is a place to load from; write `hub: {name.split(':')[-1]}` instead of `config`"
        return
    if not isinstance(arguments, Mapping):
        yield f"model_args: expected a mapping, such as {{in_chans: 1}}, found {arguments!r}"
        return
    for key, word in WORDS.items():
        if key in config:
            yield f"{key}: timm's networks take it as an argument; write `model_args: {{{word}: {config[key]}}}`"
    for key, reason in REFUSED.items():
        if arguments.get(key):
            yield f"model_args.{key}: {reason}"
    least = next((side for start, side in LEAST_SIDES.items() if name.startswith(start)), 0)
    if image_size is not None and image_size < least:
        yield f"{name} needs images of {least} pixels or more; write `pretraining: {{image_size: {least}}}`"
