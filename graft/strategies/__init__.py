"""One small file per strategy; this literal is their registry."""

from collections.abc import Iterable

from graft.strategies.all_boundaries import ALL_BOUNDARIES
from graft.strategies.bitfit import BITFIT
from graft.strategies.discriminative import DISCRIMINATIVE
from graft.strategies.from_champion import PREFIX as CHAMPION
from graft.strategies.from_champion import from_champion
from graft.strategies.full import FULL
from graft.strategies.gradual import GRADUAL
from graft.strategies.head2toe import HEAD2TOE
from graft.strategies.l2_sp import L2_SP
from graft.strategies.layer_decay import LAYER_DECAY
from graft.strategies.layers import PREFIX as LAYERS
from graft.strategies.layers import named_layers
from graft.strategies.linear_probe import LINEAR_PROBE
from graft.strategies.lora import LORA
from graft.strategies.lp_ft import LP_FT
from graft.strategies.norm_only import NORM_ONLY
from graft.strategies.scratch import SCRATCH
from graft.strategies.strategy import Begin, Leg, Strategy, count_frozen, count_parts, resolve
from graft.strategies.surgical import SURGICAL
from graft.strategies.top_k import TOP_1, TOP_2, TOP_HALF, top_k
from graft.strategies.wise_ft import WISE_FT

STRATEGIES: dict[str, Strategy] = {
    strategy.name: strategy
    for strategy in (
        SCRATCH,
        LINEAR_PROBE,
        TOP_1,
        TOP_2,
        TOP_HALF,
        FULL,
        LP_FT,
        GRADUAL,
        DISCRIMINATIVE,
        LAYER_DECAY,
        SURGICAL,
        L2_SP,
        BITFIT,
        NORM_ONLY,
        LORA,
        WISE_FT,
        ALL_BOUNDARIES,
        HEAD2TOE,
    )
}


def find_strategy(name: str) -> Strategy:
    """Return the strategy of that name; raises KeyError when there is none.

    Beside those of the registry there are `top-K` and `top-P%` for any K and P ("last K", "last P %" are the same),
    `layers:WORDS`, which trains the layer groups that the words name, and `champion:NAME` for any of them, begun from
    the champion.
    """
    if name.startswith(CHAMPION):
        return from_champion(name, find_strategy)
    return STRATEGIES.get(name) or (named_layers(name) if name.startswith(LAYERS) else top_k(name))


def go_on_from_champion(names: Iterable[str]) -> bool:
    """Return whether one of the strategies of these names begins from the champion."""
    return any(find_strategy(name).begins == "champion" for name in names)


__all__ = [
    "CHAMPION",
    "STRATEGIES",
    "Begin",
    "Leg",
    "Strategy",
    "count_frozen",
    "count_parts",
    "find_strategy",
    "go_on_from_champion",
    "resolve",
]
