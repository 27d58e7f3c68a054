"""Networks: build, load, save, cut into layer groups, freeze."""

from graft.backbones.build import build, fetch, load, load_processor, renew, renew_head, save, transplant
from graft.backbones.freezing import Freeze, count_trained
from graft.backbones.groups import LayerGroup, layer_groups
from graft.backbones.naming import select_groups

__all__ = [
    "Freeze",
    "LayerGroup",
    "build",
    "count_trained",
    "fetch",
    "layer_groups",
    "load",
    "load_processor",
    "renew",
    "renew_head",
    "save",
    "select_groups",
    "transplant",
]
