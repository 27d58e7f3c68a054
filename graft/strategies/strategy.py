"""A strategy is data: phase by phase, which layer groups train, for what share of the steps, how fast.

Being data, it prints as a table, resumes exactly, and two strategies that come to the same thing on a
shallow network can be seen to be the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Phase:
    """Part of a strategy: the head and `blocks` of the last layer groups below it train."""

    blocks: int | Literal["half", "all"]
    """Number of blocks that train beside the head; `all` includes the stem."""
    share: float = 1.0
    """Share of the trial's steps."""
    rate: float = 1.0
    """Factor on the trial's learning rate."""


@dataclass(frozen=True)
class Strategy:
    """A named plan of phases with the source it is taken from."""

    name: str
    title: str
    citation: str
    phases: tuple[Phase, ...]
    pretrained: bool = True
    """Whether it starts from the source's weights or from random ones."""


@dataclass(frozen=True)
class Leg:
    """A phase resolved for one network: names of the groups that train, steps, factor on the learning rate."""

    groups: tuple[str, ...]
    steps: int
    rate: float


def resolve(strategy: Strategy, groups: Sequence[str], steps: int) -> tuple[Leg, ...]:
    """Return the legs of a strategy for ordered group names (stem, blocks, head); their steps add up to `steps`."""
    ends = [round(steps * sum(phase.share for phase in strategy.phases[: i + 1])) for i in range(len(strategy.phases))]
    begins = [0, *ends[:-1]]
    legs = (
        Leg(tuple(groups[_first(phase, len(groups)) :]), end - begin, phase.rate)
        for phase, begin, end in zip(strategy.phases, begins, ends, strict=True)
    )
    return tuple(leg for leg in legs if leg.steps)


def _first(phase: Phase, groups: int) -> int:
    """Return the index of the first group that trains; the stem only trains when everything does."""
    blocks = groups - 2
    if phase.blocks == "all":
        return 0
    wanted = -(-blocks // 2) if phase.blocks == "half" else phase.blocks
    return groups - 1 - min(wanted, blocks)
