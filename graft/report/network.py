"""The network as a row of blocks: area by parameters, colour by what was trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

GAP, MIDDLE, TALLEST, WIDE, SHORTEST = 22, 62, 92, 46, 12


@dataclass(frozen=True)
class Block:
    """One layer group on the drawing, in its own units from the upper left."""

    name: str
    parameters: int
    trained: bool
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Drawing:
    """The blocks in the order in which data flows, and the size they take."""

    blocks: tuple[Block, ...]
    width: float
    height: float


def draw(groups: Sequence[Mapping[str, Any]], trained: Sequence[str]) -> Drawing:
    """Place the layer groups from left to right.

    Heights grow with the fourth root of the parameters: between a stem of a thousand and a block of a million
    both must stay visible, and the number is written below anyway.
    """
    largest = max((group["parameters"] for group in groups), default=1) or 1
    blocks = []
    for place, group in enumerate(groups):
        height = max(SHORTEST, TALLEST * (group["parameters"] / largest) ** 0.25)
        x = 34 + place * (WIDE + GAP)
        named = group["name"]
        blocks.append(Block(named, group["parameters"], named in trained, x, MIDDLE - height / 2, WIDE, height))
    return Drawing(tuple(blocks), 34 + len(blocks) * (WIDE + GAP) + 34 - GAP, 150)
