"""A checkpoint that has another head becomes the backbone of a network that is put around it, as UperNet is."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.backbones.body import bare_body, plain_name
from graft.backbones.wrapped import WRAPPED
from graft.errors import CheckpointError
from graft.problems.networks import find_misfit_of_frame

if TYPE_CHECKING:
    import torch

    from graft.problems import Problem

STAGES = 4  # of a network whose stages are all its layers, as DINOv2's
MADE_ANEW = ("hidden_states_norms", "layernorm", "norm")
"""Normalisations of what each stage hands to the head: there is one for a stage, and a classifier has one in all."""


def frame(folder: Path, config: Any, problem: Problem) -> Any:
    """Return the configuration of the network that `problem` puts around the one of a folder; see `Problem.around`.

    Raises CheckpointError where the network cannot be cut into stages.
    """
    import torch
    import transformers

    backbone = _staged(folder, config)
    try:
        with torch.device("meta"), torch.random.fork_rng(devices=[]):  # shapes alone: nothing is computed
            channels = transformers.AutoBackbone.from_config(backbone).channels
    except (ValueError, TypeError, KeyError, RuntimeError, AttributeError) as error:
        raise CheckpointError(
            f"{folder}: a '{config.model_type}' cannot be the backbone of a network for {problem.name}",
            [" ".join(str(error).split())[:300]],
        ) from error
    options = dict(problem.around(channels))
    return transformers.AutoConfig.for_model(options.pop("model_type"), backbone_config=backbone.to_dict(), **options)


def fill(model: Any, folder: Path) -> dict[str, Any]:
    """Put the weights of a folder's network into the backbone of a network around it, in place.

    Normalisations that only the stages have stay as they are. Returns a report as transformers gives it of a loading.
    Raises CheckpointError where any other weight is absent.
    """
    import transformers

    origin, report = transformers.AutoModel.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False, use_safetensors=True, dtype="float32",
        output_loading_info=True,
    )  # fmt: skip
    body = bare_body(model)
    own, given = body.state_dict(), by_plain_name(bare_body(origin).state_dict())
    taken = {name: given.get(plain_name(name)) for name in own}
    missing = [
        name
        for name, weight in taken.items()
        if (weight is None or weight.shape != own[name].shape) and not name.split(".")[0].startswith(MADE_ANEW)
    ]
    if missing:
        raise CheckpointError(
            f"{folder}: its weights are not those of the backbone of a {type(model).__name__}",
            [f"no weights for {name}" for name in missing[:10]],
            "Take a source that transformers or timm can cut into stages, such as a resnet or convnext.",
        )
    body.load_state_dict({name: own[name] if weight is None else weight for name, weight in taken.items()})
    place = next(path for path, module in model.named_modules() if module is body)
    left = [name for name in bare_body(origin).state_dict() if plain_name(name) not in map(plain_name, own)]
    return {
        "missing_keys": [f"{place}.{name}" for name, weight in taken.items() if weight is None],
        "mismatched_keys": [],
        "unexpected_keys": [*report["unexpected_keys"], *left],
    }


def by_plain_name(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return weights by their names as a network that is cut into stages has them."""
    return {plain_name(name): weight for name, weight in weights.items()}


def _staged(folder: Path, config: Any) -> Any:
    """Return the configuration of the same network as a backbone that hands out its stages."""
    import transformers

    if misfit := find_misfit_of_frame(vars(config) | {"model_type": config.model_type}):
        raise CheckpointError(f"{folder}: {misfit}")
    if config.model_type == WRAPPED:
        channels = (config.model_args or {}).get("in_chans", 3)
        options = {"num_channels": channels, "out_indices": [*range(-STAGES, 0)]}  # by itself it gives the last alone
        return transformers.AutoConfig.for_model("timm_backbone", backbone=config.architecture, **options)
    staged = copy.deepcopy(config)
    count = len(staged.stage_names) - 1  # the first is the stem
    few = min(count, STAGES + 1)
    staged.out_indices = (
        [*range(1, count + 1)] if count == few else [round(count * (i + 1) / STAGES) for i in range(STAGES)]
    )
    return staged
