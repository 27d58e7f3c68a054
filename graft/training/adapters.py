"""Low-rank adapters through peft: put beside a model's linear layers, and merged into them at the end."""

from __future__ import annotations

from typing import Any

from graft.backbones import layer_groups

KINDS = ("Linear", "Conv1D")  # Conv1D is what GPT-2 calls its linear layers
SCALE = 2  # alpha over rank, as usual since Hu et al. 2022


def reachable(model: Any) -> list[str]:
    """Return the paths of the linear layers in the blocks of a model: what adapters can be put beside."""
    blocks = layer_groups(model)[1:-1]
    return [
        path
        for path, module in model.named_modules()
        if type(module).__name__ in KINDS and any(block.owns(path) for block in blocks)
    ]


def count_adapters(model: Any, rank: int) -> int:
    """Return the weights that adapters of this rank add: rank times inputs plus outputs of each linear layer."""
    return sum(rank * sum(model.get_submodule(path).weight.shape) for path in reachable(model))


def adapt(model: Any, rank: int, seed: int) -> None:
    """Put adapters beside every reachable linear layer, in place; the model computes the same as before."""
    import torch
    from peft import LoraConfig, inject_adapter_in_model

    paths = reachable(model)
    conv1d = type(model.get_submodule(paths[0])).__name__ == "Conv1D"
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = LoraConfig(r=rank, lora_alpha=SCALE * rank, target_modules=paths, fan_in_fan_out=conv1d)
        inject_adapter_in_model(config, model)


def merge(model: Any) -> None:
    """Add what the adapters learned to the weights beside them and take the adapters out, in place."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    adapted = [path for path, module in model.named_modules() if isinstance(module, BaseTunerLayer)]
    for path in adapted:
        layer = model.get_submodule(path)
        layer.merge()
        parent, _, name = path.rpartition(".")
        setattr(model.get_submodule(parent), name, layer.get_base_layer())
