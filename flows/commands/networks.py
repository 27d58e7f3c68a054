"""Networks that `graft new source --backbone` knows by name, and what else may stand there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from graft.catalog import nearest
from graft.errors import BadInput

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
SIDE = 32  # pixels, where the entry says nothing else: the default of `pretraining.image_size`

# New networks that train from random weights on two CPU cores; anything larger is a line in params.yaml.
NETWORKS: dict[str, dict[str, Any]] = {
    "resnet": {
        "model_type": "resnet",
        "embedding_size": 16,
        "hidden_sizes": [16, 32, 64],
        "depths": [1, 1, 1],
        "layer_type": "basic",
    },
    # at full width the two layers below VGG's classifier hold 120 of its 129 million weights
    "vgg11": {"model_type": "timm_wrapper", "architecture": "vgg11_bn", "model_args": {"mlp_ratio": 0.05}},
    "inception_v3": {"model_type": "timm_wrapper", "architecture": "inception_v3"},
    "resnet18": {"model_type": "timm_wrapper", "architecture": "resnet18"},
    "vit": {
        "model_type": "vit",
        "image_size": SIDE,
        "patch_size": 4,
        "hidden_size": 96,
        "num_hidden_layers": 6,
        "num_attention_heads": 4,
        "intermediate_size": 192,
    },
    "convnext": {
        "model_type": "convnext",
        "patch_size": 2,
        "hidden_sizes": [24, 48, 96],
        "depths": [1, 1, 2],
        "num_stages": 3,
    },
    "bert": {
        "model_type": "bert",
        "hidden_size": 96,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "intermediate_size": 192,
        "max_position_embeddings": 64,
    },
}
USUAL = {"image": "resnet", "text": "bert"}
SIDES = {"inception_v3": 75}
"""Pixels of an image's side, for the networks that need more than the default."""


def choose(name: str | None, modality: str) -> dict[str, Any]:
    """Return the `backbone` and, where it needs one, the `pretraining` that a word on the command line stands for.

    A word is a name of `NETWORKS`, a local folder, a hub id, or the name of one of timm's architectures. Raises
    BadInput for any other.
    """
    name = name or USUAL[modality]
    if name in NETWORKS:
        sized = {"pretraining": {"image_size": SIDES[name]}} if name in SIDES else {}
        return {"backbone": {"config": NETWORKS[name]}, **sized}
    if (Path(name) / "config.json").is_file():
        return {"backbone": {"checkpoint": Path(name).as_posix()}}
    if HUB_ID.fullmatch(name) and not Path(name).exists():
        return {"backbone": {"hub": name}}
    if modality == "image":
        import timm  # a second or two, and only for a name that nothing else knows

        if timm.is_model(name):
            return {"backbone": {"config": {"model_type": "timm_wrapper", "architecture": name}}}
    raise BadInput(
        f"--backbone {name}: no network, folder with config.json or hub id; {nearest(name, list(NETWORKS))}",
        advice=f"Expected {', '.join(NETWORKS)}, a local folder, a hub id such as timm/resnet18.a1_in1k, or for images "
        "the name of one of timm's architectures.",
    )
