"""Detectors that have a whole transformer above their backbone: its layers are blocks, too.

What is new for other classes is the classifier alone (Carion et al. 2020): the layers between the backbone and it, and
what places the boxes, are most of what a checkpoint has learned.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from graft.backbones.blocks import Trunk, find_trunk

if TYPE_CHECKING:
    from torch import nn

KINDS = ("conditional_detr", "detr", "table-transformer", "yolos")
"""Model types whose parts above the backbone run in the order in which they are registered, the classifier last."""
CLASSIFIER = "class_labels_classifier"
BOXES = "bbox_predictor"


def unfolds(model: Any) -> bool:
    """Say whether a model is such a detector, with its heads."""
    return getattr(getattr(model, "config", None), "model_type", "") in KINDS and hasattr(model, CLASSIFIER)


def find_backbone(base: nn.Module) -> Trunk | None:
    """Return the trunk of a detector's backbone, however small that is beside the transformer."""
    backbone = getattr(base, "backbone", None)
    trunk = find_trunk(base if backbone is None else backbone)
    if backbone is None or trunk is None:
        return trunk
    return replace(trunk, path=".".join(part for part in ("backbone", trunk.path) if part))


def unfold(model: Any, places: Iterable[tuple[str, list[str]]]) -> Iterator[tuple[str, list[str]]]:
    """Yield the groups' names and paths, with a block for each layer above the backbone and one that places boxes."""
    *below, (head, above) = places
    yield from below
    blocks = [*_layers(model, [path for path in above if path != CLASSIFIER])]
    for number, block in enumerate(blocks, start=len(below)):
        yield f"block {number}", block
    yield head, [CLASSIFIER]


def _layers(model: Any, paths: Iterable[str]) -> Iterator[list[str]]:
    """Yield the paths of each layer, with those that run before it; a stack's last norm goes with its last layer."""
    waiting: list[str] = []
    for path in paths:
        module = model.get_submodule(path) if _is_module(model, path) else None
        layers = getattr(module, "layers", None)
        if module is None or layers is None or path == BOXES:
            waiting.append(path)
            continue
        around = [f"{path}.{name}" for name, _ in module.named_children() if name != "layers"]
        last = [name for name in around if "norm" in name.rsplit(".", 1)[-1]]
        stack = [[f"{path}.layers.{number}"] for number in range(len(layers))]
        stack[0] = waiting + [name for name in around if name not in last] + stack[0]
        stack[-1] += last
        yield from stack
        waiting = []
    if waiting:
        yield waiting


def _is_module(model: Any, path: str) -> bool:
    try:
        model.get_submodule(path)
    except AttributeError:  # a parameter that no module below holds
        return False
    return True
