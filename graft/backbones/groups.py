"""Layer groups: a network cut into an ordered list of stem, block 1 .. block n, head.

The blocks are the network's own list of repeated modules (stages of a ResNet, layers of a transformer);
what runs before the first is the stem, what runs after the last is the head.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class LayerGroup:
    """Neighbouring modules that train or stay frozen together."""

    name: str
    prefixes: tuple[str, ...]
    """Module paths, or names of parameters that no module below holds."""
    parameters: int
    """Number of weights."""

    def owns(self, name: str) -> bool:
        """Say whether a parameter, buffer or module of that name belongs to this group."""
        return any(name == prefix or name.startswith(f"{prefix}.") for prefix in self.prefixes)


def layer_groups(model: Any) -> tuple[LayerGroup, ...]:
    """Return the ordered layer groups of a transformers model; each parameter is in exactly one."""
    blocks_path = _find_blocks(model)
    blocks = [f"{blocks_path}.{index}" for index in range(len(model.get_submodule(blocks_path)))]
    before, after = _around(model, blocks_path)
    named = [("stem", before), *((f"block {i + 1}", [block]) for i, block in enumerate(blocks)), ("head", after)]
    return tuple(LayerGroup(name, tuple(paths), _count(model, paths)) for name, paths in named)


def _find_blocks(model: Any) -> str:
    """Return the path of the list that holds most weights; on a tie the outer one, so a stage beats its layers."""
    from torch import nn

    prefix = model.base_model_prefix
    lists = [
        (f"{prefix}.{path}", sum(parameter.numel() for parameter in module.parameters()))
        for path, module in model.base_model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module)
    ]
    if not lists:
        raise ValueError(f"{type(model).__name__} has no list of blocks to cut into layer groups")
    return max(lists, key=lambda item: (item[1], -item[0].count(".")))[0]


def _around(model: nn.Module, blocks: str) -> tuple[list[str], list[str]]:
    """Return the paths of everything that is registered before and after the blocks, as high up as possible."""
    before: list[str] = []
    after: list[str] = []
    module, path = model, ""
    trail = blocks.split(".")
    outer: list[list[str]] = []
    for part in trail:
        before.extend(_join(path, name) for name, _ in module.named_parameters(recurse=False))
        seen, later = False, list[str]()
        for name, _ in module.named_children():
            if name == part:
                seen = True
            else:
                (later if seen else before).append(_join(path, name))
        outer.append(later)
        module, path = module.get_submodule(part), _join(path, part)
    for later in reversed(outer):  # the innermost neighbours run first
        after.extend(later)
    return before, after


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _count(model: nn.Module, prefixes: Iterable[str]) -> int:
    group = LayerGroup("", tuple(prefixes), 0)
    return sum(parameter.numel() for name, parameter in model.named_parameters() if group.owns(name))
