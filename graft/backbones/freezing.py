"""Frozen means frozen: no gradient, no weight decay, no dropout, no moving batch statistics."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from graft.backbones.groups import layer_groups

if TYPE_CHECKING:
    from torch import nn


class Freeze:
    """Which parameters of a model train; everything else stays to the bit as it is."""

    def __init__(self, model: Any, trained: Collection[str]) -> None:
        groups = layer_groups(model)
        if unknown := set(trained) - {group.name for group in groups}:
            raise ValueError(f"no layer groups {sorted(unknown)}; there are {[group.name for group in groups]}")
        self._frozen = [
            model.get_submodule(prefix)
            for group in groups
            if group.name not in trained
            for prefix in group.prefixes
            if _is_module(model, prefix)
        ]
        frozen = {path for path, module in model.named_modules() if module in self._frozen}
        around = {path[:end] for path in frozen for end in range(len(path)) if path[end] == "."}
        self._around = [module for path, module in model.named_modules() if path in around - frozen]
        owners = [group for group in groups if group.name in trained]
        self.names = tuple(name for name, _ in model.named_parameters() if any(group.owns(name) for group in owners))
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in set(self.names))

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


def _is_module(model: nn.Module, path: str) -> bool:
    return path in dict(model.named_modules())
