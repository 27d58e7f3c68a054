"""Networks: build, load, save, cut into layer groups, freeze."""

from graft.backbones.agreement import agree
from graft.backbones.build import build, load, load_listed, read_config, renew, renew_head, save
from graft.backbones.carrying import Carried
from graft.backbones.fetching import fetch
from graft.backbones.fitting import require_fit
from graft.backbones.freezing import Freeze, count_trained
from graft.backbones.groups import LayerGroup, is_shared, layer_groups
from graft.backbones.naming import select_groups
from graft.backbones.processors import load_processor
from graft.backbones.rules import find_misfits
from graft.backbones.sharing import share_layers, transplant
from graft.backbones.tying import describe_tie

__all__ = [
    "Carried",
    "Freeze",
    "LayerGroup",
    "agree",
    "build",
    "count_trained",
    "describe_tie",
    "fetch",
    "find_misfits",
    "is_shared",
    "layer_groups",
    "load",
    "load_listed",
    "load_processor",
    "read_config",
    "renew",
    "renew_head",
    "require_fit",
    "save",
    "select_groups",
    "share_layers",
    "transplant",
]
