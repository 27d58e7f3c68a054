"""Networks that `graft new source` writes: they train from random weights on two CPU cores in minutes.

Anything larger is a line in params.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graft.catalog import nearest
from graft.errors import BadInput
from graft.problems.networks import find_misfit
from graft.problems.problem import Modality, Problem

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
SIDE = 32  # pixels, where the entry says nothing else: the default of `pretraining.image_size`


LAYERS = {
    "image_size": SIDE,
    "patch_size": 4,
    "hidden_size": 96,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "intermediate_size": 192,
}
"""Of a small vision transformer, in whichever way it is taught."""


@dataclass(frozen=True)
class Starter:
    """A small network of one kind of input, and how it is trained where the defaults of the catalogue are not right."""

    modality: Modality
    config: Mapping[str, Any]
    pretraining: Mapping[str, Any] = field(default_factory=dict)


# The first of a kind of input is taken where none is named.
STARTERS: dict[str, Starter] = {
    "resnet": Starter(
        "image",
        {
            "model_type": "resnet",
            "embedding_size": 16,
            "hidden_sizes": [16, 32, 64],
            "depths": [1, 1, 1],
            "layer_type": "basic",
        },
    ),
    # at full width the two layers below VGG's classifier hold 120 of its 129 million weights
    "vgg11": Starter(
        "image", {"model_type": "timm_wrapper", "architecture": "vgg11_bn", "model_args": {"mlp_ratio": 0.05}}
    ),
    "inception_v3": Starter(
        "image", {"model_type": "timm_wrapper", "architecture": "inception_v3"}, {"image_size": 75}
    ),
    "resnet18": Starter("image", {"model_type": "timm_wrapper", "architecture": "resnet18"}),
    "vit": Starter("image", {"model_type": "vit", **LAYERS}),
    "convnext": Starter(
        "image",
        {
            "model_type": "convnext",
            "patch_size": 2,
            "hidden_sizes": [24, 48, 96],
            "depths": [1, 1, 2],
            "num_stages": 3,
        },
    ),
    "vit_mae": Starter(
        "image",
        {
            "model_type": "vit_mae",
            **LAYERS,
            "decoder_hidden_size": 64,
            "decoder_num_hidden_layers": 2,
            "decoder_num_attention_heads": 4,
            "decoder_intermediate_size": 128,
            "norm_pix_loss": True,
        },
        {"epochs": 40, "batch_size": 64, "learning_rate": 1.5e-3, "weight_decay": 0.05, "patience": 10},
    ),
    "segformer": Starter(
        "image",
        {
            "model_type": "segformer",
            "num_encoder_blocks": 4,
            "depths": [1, 1, 1, 1],
            "hidden_sizes": [16, 32, 48, 64],
            "num_attention_heads": [1, 2, 3, 4],
            "sr_ratios": [4, 2, 2, 1],
            "strides": [2, 2, 2, 2],
            "decoder_hidden_size": 64,
            "mlp_ratios": [2, 2, 2, 2],
            "drop_path_rate": 0.0,
            "classifier_dropout_prob": 0.0,
        },
        {"image_size": 96, "epochs": 60, "learning_rate": 1e-3, "batch_size": 8, "patience": 15},
    ),
    "fcos": Starter(
        "image",
        {
            "model_type": "graft-fcos",
            "pyramid_channels": 32,
            "backbone_config": {
                "model_type": "resnet",
                "embedding_size": 16,
                "hidden_sizes": [16, 32, 64],
                "depths": [1, 1, 1],
                "layer_type": "basic",
                "out_features": ["stage1", "stage2", "stage3"],
            },
        },
        {"image_size": 192, "epochs": 20, "learning_rate": 2e-3, "batch_size": 8, "patience": 10},
    ),
    "bert": Starter(
        "text",
        {
            "model_type": "bert",
            "hidden_size": 96,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "intermediate_size": 192,
            "max_position_embeddings": 64,
        },
    ),
    "gpt2": Starter("text", {"model_type": "gpt2", "n_embd": 128, "n_layer": 4, "n_head": 4, "n_positions": 128}),
    "wav2vec2": Starter(
        "audio",
        {
            "model_type": "wav2vec2",
            "hidden_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 128,
            "conv_dim": [32, 64, 64, 64, 64],
            "conv_kernel": [10, 8, 4, 4, 4],
            "conv_stride": [5, 4, 2, 2, 2],
            "num_conv_pos_embeddings": 16,
            "num_conv_pos_embedding_groups": 4,
            "classifier_proj_size": 64,
        },
        {"epochs": 25, "learning_rate": 2e-3, "batch_size": 16, "patience": 10, "label_smoothing": 0.1},
    ),
    "ast": Starter(
        "audio",
        {
            "model_type": "audio-spectrogram-transformer",
            "hidden_size": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "intermediate_size": 128,
            "num_mel_bins": 64,
            "max_length": 200,
        },
        {"epochs": 40, "learning_rate": 2e-3, "batch_size": 16, "patience": 10, "label_smoothing": 0.1},
    ),
}

RECIPES: dict[str, Mapping[str, Any]] = {
    # every row of a batch is held against every other one: a small batch teaches little (Chen et al. 2020, section 5.2)
    "contrastive-images": {"epochs": 60, "batch_size": 128, "patience": 15},
}
"""How any network is trained for a problem, where the defaults of the catalogue are not right."""


def choose(name: str | None, problem: Problem) -> dict[str, Any]:
    """Return the `backbone` and, where it needs one, the `pretraining` that a word on the command line stands for.

    A word is a name of `STARTERS`, a local folder, a hub id, or the name of one of timm's architectures; none is the
    first starter that makes sense for the problem. Raises BadInput for any other.
    """
    network = _find(name, problem)
    recipe = {**network.pop("pretraining", {}), **RECIPES.get(problem.name, {})}
    return {**network, **({"pretraining": recipe} if recipe else {})}


def _find(name: str | None, problem: Problem) -> dict[str, Any]:
    """Return what `choose` does, without what the problem itself asks for."""
    alike = {key: one for key, one in STARTERS.items() if one.modality == problem.modality}
    if name is None:
        name = next((key for key, one in alike.items() if not find_misfit(problem.auto_model, one.config)), None)
    if name is None:
        raise BadInput(
            f"{problem.name} goes on from a checkpoint, and none is named",
            advice="Name one: --hub openai/whisper-tiny, or --checkpoint FOLDER.",
        )
    if name in alike:
        if misfit := find_misfit(problem.auto_model, alike[name].config):
            raise BadInput(f"--backbone {name}: {misfit}")
        recipe = {"pretraining": dict(alike[name].pretraining)} if alike[name].pretraining else {}
        return {"backbone": {"config": dict(alike[name].config)}, **recipe}
    if name in STARTERS:
        found = f"reads {STARTERS[name].modality}, the data are {problem.modality}"
        raise BadInput(
            f"--backbone {name}: {found}; expected {' or '.join(alike)}", advice="Or edit params.yaml afterwards."
        )
    if (Path(name) / "config.json").is_file():
        return {"backbone": {"checkpoint": Path(name).as_posix()}}
    if HUB_ID.fullmatch(name) and not Path(name).exists():
        return {"backbone": {"hub": name}}
    if problem.modality == "image":
        import timm  # a second or two, and only for a name that nothing else knows

        if timm.is_model(name):
            return {"backbone": {"config": {"model_type": "timm_wrapper", "architecture": name}}}
    raise BadInput(
        f"--backbone {name}: no network, folder with config.json or hub id; {nearest(name, list(alike))}",
        advice=f"Expected {', '.join(alike)}, a local folder, a hub id such as timm/resnet18.a1_in1k, or for images "
        "the name of one of timm's architectures.",
    )
