"""Frozen means frozen: no gradient, no weight decay, no dropout, no moving batch statistics."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from graft.backbones.groups import LayerGroup, layer_groups
from graft.strategies.strategy import Leg, count_frozen

if TYPE_CHECKING:
    from torch import nn

ADAPTER = "lora_"  # what peft calls the weights it adds
FIXED = {"whisper": "*encoder.embed_positions.weight"}
"""By the kind of network, parameters that are sines, and never train (Radford et al. 2022, section 2.2)."""


class Freeze:
    """Which parameters of a model train; everything else stays to the bit as it is."""

    def __init__(self, model: Any, plan: Leg | Collection[str]) -> None:
        leg = plan if isinstance(plan, Leg) else Leg(tuple(plan), steps=0)
        groups = layer_groups(model)
        if unknown := set(leg.groups) - {group.name for group in groups}:
            raise ValueError(f"no layer groups {sorted(unknown)}; there are {[group.name for group in groups]}")
        modules = dict(model.named_modules())
        self._frozen = [
            modules[prefix]
            for group in groups
            if group.name not in leg.groups
            for prefix in group.prefixes
            if prefix in modules
        ]
        self.owners = _owners(model, groups, leg)
        self.names = tuple(self.owners)
        self.frozen_below = count_frozen([leg], [group.name for group in groups])
        frozen = {path for path, module in modules.items() if module in self._frozen}
        around = {path[:end] for path in frozen for end in range(len(path)) if path[end] == "."}
        self._around = [modules[path] for path in modules if path in around - frozen]
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in self.owners)

    @property
    def digest(self) -> str:
        """A hash of the names that train; a resumed run must find the same."""
        return hashlib.sha256("\n".join(self.names).encode()).hexdigest()[:16]

    def set_train(self, model: nn.Module) -> None:
        """Put the trained part into training mode and the frozen part into evaluation mode.

        What lies around frozen modules is in evaluation mode itself, the model excepted: a speech encoder that trains
        skips layers by chance, frozen ones too, and hides parts of what the frozen stem gives.
        """
        model.train()
        for module in self._around:
            module.training = False
        for module in self._frozen:
            module.eval()


def count_trained(model: Any, leg: Leg) -> int:
    """Return the number of weights that a leg trains, adapters not counted: `model` has none yet."""
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    return sum(sizes[name] for name in _owners(model, layer_groups(model), leg))


def _owners(model: nn.Module, groups: Collection[LayerGroup], leg: Leg) -> dict[str, str]:
    """Return the parameters that train, in the model's order, each with the name of its layer group."""
    head = list(groups)[-1].name
    norms = _norms(model) if leg.scope == "norms" else ()
    fixed = FIXED.get(getattr(getattr(model, "config", None), "model_type", ""), "")
    found = {}
    for name, _ in model.named_parameters():
        if fnmatchcase(name, fixed):
            continue
        owner = next(group.name for group in groups if group.owns(name))
        if owner in leg.groups and (owner == head or _in_scope(name, leg, norms)):
            found[name] = owner
    return found


def _in_scope(name: str, leg: Leg, norms: Collection[str]) -> bool:
    """Say whether a parameter below the head is one of those that a leg trains."""
    if leg.rank:
        return ADAPTER in name
    if leg.scope == "biases":
        return name.rsplit(".", 1)[-1] == "bias"
    return leg.scope == "every" or name.rpartition(".")[0] in norms


def _norms(model: nn.Module) -> set[str]:
    """Return the paths of normalisations; every library calls them so, whatever else their classes are called."""
    return {path for path, module in model.named_modules() if "norm" in type(module).__name__.lower()}
