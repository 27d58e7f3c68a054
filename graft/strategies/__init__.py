"""One small file per strategy; this literal is their registry."""

from graft.strategies.full import FULL
from graft.strategies.linear_probe import LINEAR_PROBE
from graft.strategies.lp_ft import LP_FT
from graft.strategies.scratch import SCRATCH
from graft.strategies.strategy import Leg, Strategy, resolve
from graft.strategies.top_k import TOP_1, TOP_2, TOP_HALF

STRATEGIES: dict[str, Strategy] = {
    strategy.name: strategy for strategy in (SCRATCH, LINEAR_PROBE, TOP_1, TOP_2, TOP_HALF, FULL, LP_FT)
}

__all__ = ["STRATEGIES", "Leg", "Strategy", "resolve"]
