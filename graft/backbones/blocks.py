"""The ordered blocks of a network, found in how it is put together.

Networks are written in few ways: a `ModuleList` that a loop runs through (BERT, ViT, wav2vec 2.0), lists of equal
length that it runs through side by side (SegFormer, XLM), a `Sequential` (VGG, timm's ConvNeXt), or children called
one by one, several of them of one class (timm's Inception and ResNet). Whichever of them holds most weights is the
network's trunk; of two that hold the same weights the outer one, so that a stage beats its layers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

NEVER_BLOCKS = ("*conv_layers",)
"""Lists that are no trunk however large: the convolutions by which speech networks read the waveform are their stem."""


@dataclass(frozen=True)
class Trunk:
    """Where the blocks lie: children of one module, or members of lists among these children."""

    path: str
    """The module whose children they are."""
    before: tuple[str, ...]
    """Names of its children that run before the first block."""
    blocks: tuple[tuple[str, ...], ...]
    """Per block its names below `path`, in order of execution."""
    after: tuple[str, ...]


def find_trunk(base: nn.Module) -> Trunk | None:
    """Return the trunk of a network without its head, or None where nothing in it looks like blocks."""
    found = [
        (trunk, _weights(base.get_submodule(trunk.path), trunk))
        for path, module in base.named_modules()
        for trunk in _trunks(path, module)
    ]
    if not found:
        return None
    return max(found, key=lambda item: (item[1], -item[0].path.count(".") - bool(item[0].path)))[0]


def _trunks(path: str, module: nn.Module) -> Iterator[Trunk]:
    from torch import nn

    if type(module) in (nn.ModuleList, nn.ModuleDict):  # read where it is a child
        return
    yield from _side_by_side(path, module)
    members = [name for name, _ in module.named_children()]
    if isinstance(module, nn.Sequential) or _is_feature_list(module):
        if len(members) > 1:
            yield _cut_sequence(path, module, members)
        return
    yield from _family(path, module, members)


def _side_by_side(path: str, module: nn.Module) -> Iterator[Trunk]:
    """Yield one trunk for each length of list among the children: lists of one length are run through together."""
    from torch import nn

    lists = {
        name: len(child)
        for name, child in module.named_children()
        if isinstance(child, nn.ModuleList) and len(child) and not _is_never_blocks(_join(path, name))
    }
    names = [name for name, _ in module.named_children()]
    for length in dict.fromkeys(lists.values()):
        chosen = [name for name in names if lists.get(name) == length]
        first = names.index(chosen[0])
        blocks = tuple(tuple(f"{name}.{index}" for name in chosen) for index in range(length))
        after = tuple(name for name in names[first:] if name not in chosen)
        yield Trunk(path, tuple(names[:first]), blocks, after)


def _cut_sequence(path: str, module: nn.Module, names: Sequence[str]) -> Trunk:
    """Cut a Sequential at its composite members, or else after its pooling layers, or else before its weights."""
    bricks = _bricks(module)
    composite = [name for name in names if name not in bricks]
    if composite:
        return _cut_before(path, names, composite)
    children = dict(module.named_children())
    pools = [index for index, name in enumerate(names) if "Pool" in type(children[name]).__name__]
    if len(pools) > 1:
        starts = [names[0], *(names[index + 1] for index in pools if index + 1 < len(names))]
    else:
        starts = [name for name in names if any(weight.ndim > 1 for weight in children[name].parameters())]
    return _cut_before(path, names, starts or [names[0]], tail=True)


def _family(path: str, module: nn.Module, names: Sequence[str]) -> Iterator[Trunk]:
    """Yield the children from the first to the last that share a class with another: the blocks of a named sequence."""
    bricks = _bricks(module)
    children = dict(module.named_children())
    members = [name for name in names if name not in bricks and not _holds_list(children[name])]
    kinds = [_kind(name, children[name]) for name in members]
    counts = Counter(kinds)
    repeated = [index for index, kind in enumerate(kinds) if counts[kind] > 1]
    if repeated:
        yield _cut_before(path, names, members[repeated[0] : repeated[-1] + 1])


def _cut_before(path: str, names: Sequence[str], starts: Sequence[str], tail: bool = False) -> Trunk:
    """Begin a block at each of `starts`; what follows the last start alone belongs to it only with `tail`."""
    at = [names.index(name) for name in starts]
    end = len(names) if tail else at[-1] + 1
    blocks = tuple(tuple(names[i:j]) for i, j in zip(at, [*at[1:], end], strict=True))
    return Trunk(path, tuple(names[: at[0]]), blocks, tuple(names[end:]))


def _bricks(module: nn.Module) -> set[str]:
    """Return the children too small to be blocks: leaves, and those of a class that their siblings are built of."""
    from torch import nn

    children = dict(module.named_children())
    inside = {
        name: {type(part) for part in child.modules() if part is not child} - {nn.Sequential}
        for name, child in children.items()
    }
    return {
        name
        for name, child in children.items()
        if not len(list(child.children()))
        or not any(True for _ in child.parameters())
        or type(child) in (nn.ModuleList, nn.ModuleDict)
        or any(type(child) in used for other, used in inside.items() if other != name)
    }


def _is_feature_list(module: nn.Module) -> bool:
    """Say whether a module is timm's list of the layers of a network that hands out its stages: they run in order."""
    from torch import nn

    return isinstance(module, nn.ModuleDict) and hasattr(module, "feature_info")


def _kind(name: str, module: nn.Module) -> tuple[type, str]:
    """Return the class; a Sequential says nothing by its class, so there the name counts: `layer1` is as `layer2`."""
    from torch import nn

    return type(module), re.sub(r"\d+", "", name) if type(module) is nn.Sequential else ""


def _holds_list(module: nn.Module) -> bool:
    """Say whether a module is a stack with blocks of its own, as the encoder and the decoder of T5 are."""
    from torch import nn

    return any(isinstance(part, nn.ModuleList) for part in module.modules())


def _weights(module: nn.Module, trunk: Trunk) -> int:
    parts = (module.get_submodule(name) for block in trunk.blocks for name in block)
    return sum(weight.numel() for part in parts for weight in part.parameters())


def _is_never_blocks(path: str) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in NEVER_BLOCKS)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
