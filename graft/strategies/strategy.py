"""A strategy is data: phase by phase, which layer groups train, for what share of the steps, how fast.

Being data, it prints as a table, resumes exactly, and two strategies that come to the same thing on a
shallow network can be seen to be the same.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Literal

from graft.errors import CatalogError

Words = tuple[str, ...]
Depth = int | Literal["half", "all", "each", "proposed"] | Words
Select = Callable[[Words], Sequence[str]]
Scope = Literal["every", "biases", "norms"]
Reads = Literal["last", "all"]
Begin = Literal["source", "champion", "nothing"]
NEW = 10.0  # a head begins from random weights, above layers that know something (Long et al. 2015, section 4.1)


@dataclass(frozen=True)
class Phase:
    """Part of a strategy: the head and some layer groups below it train."""

    blocks: Depth
    """Number of blocks that train beside the head, from the top; `all` includes the stem, `each` goes down group by
    group in phases of equal length, `proposed` is the one block that the gradients point at. Words name the layer
    groups themselves, as `graft layers --match` takes them."""
    share: float = 1.0
    """Share of the trial's steps."""
    head: float = NEW
    """Factor on the learning rate of the head; 1 where the layers below it are as new as the head is."""
    decay: float = 1.0
    """Factor on the learning rate from each layer group to the one below it."""
    scope: Scope = "every"
    """Which parameters of the groups below the head train; of the head all do."""
    anchor: float = 0.0
    """Strength of the pull towards the weights that training began with, below the head."""
    rank: int = 0
    """Rank of low-rank adapters, which then train in place of the weights below the head; 0: none."""
    reads: Reads = "last"
    """Which boundaries the head reads: the last one, or all (see `graft/backbones/all_boundaries.py`); the same in
    every phase."""
    lasso: float = 0.0
    """Strength of a group lasso on the weights of each feature that such a head reads."""
    kept: float = 1.0
    """Share of these features that the phase begins anew with: those of the largest weights."""


@dataclass(frozen=True)
class Strategy:
    """A named plan of phases with the source it is taken from."""

    name: str
    title: str
    citation: str
    phases: tuple[Phase, ...]
    begins: Begin = "source"
    """Whose weights it starts from; `nothing`: random ones."""
    blend: float | None = None
    """Share of the last phase's weights in the result, the rest being the first phase's; none: no interpolation."""


@dataclass(frozen=True)
class Leg:
    """A phase resolved for one network: names of the groups that train, steps, factors on the learning rate."""

    groups: tuple[str, ...]
    steps: int
    head: float = 1.0
    decay: float = 1.0
    scope: Scope = "every"
    anchor: float = 0.0
    rank: int = 0
    reads: Reads = "last"
    lasso: float = 0.0
    kept: float = 1.0

    def rate_of(self, group: str) -> float:
        """Return the factor on the learning rate of one of the groups."""
        below = len(self.groups) - 1 - self.groups.index(group)
        return self.decay**below if below else self.head


def resolve(
    strategy: Strategy,
    groups: Sequence[str],
    steps: int,
    proposed: str | None = None,
    select: Select | None = None,
) -> tuple[Leg, ...]:
    """Return the legs of a strategy for ordered group names (stem, blocks, head); their steps add up to `steps`.

    `proposed` is the block for phases that ask for one, `select` finds the groups for phases that name them; raises
    ValueError when such a phase finds none, and CatalogError for more blocks than there are, or what `select` raises.
    """
    parts = [
        (phase, share, trained)
        for phase in strategy.phases
        for share, trained in _parts(phase, groups, proposed, select)
    ]
    ends = [round(steps * sum(share for _, share, _ in parts[: i + 1])) for i in range(len(parts))]
    begins = [0, *ends[:-1]]
    legs = (
        _leg(phase, trained, end - begin) for (phase, _, trained), begin, end in zip(parts, begins, ends, strict=True)
    )
    return tuple(leg for leg in legs if leg.steps)


def count_frozen(legs: Sequence[Leg], groups: Sequence[str]) -> int:
    """Return how many of the first layer groups no leg trains: what may be played back from the prefix cache."""
    return min(groups.index(group) for leg in legs for group in leg.groups)


def count_parts(strategy: Strategy, groups: Sequence[str]) -> int:
    """Return into how many legs a strategy falls on a network: the steps it needs at the very least."""
    return sum(len(groups) if phase.blocks == "each" else 1 for phase in strategy.phases)


def _leg(phase: Phase, groups: tuple[str, ...], steps: int) -> Leg:
    """Return a phase as it is on one network: all but `blocks` and `share`, which are resolved."""
    same = {one.name: getattr(phase, one.name) for one in fields(Phase) if one.name not in ("blocks", "share")}
    return Leg(groups, steps, **same)


def _parts(
    phase: Phase, groups: Sequence[str], proposed: str | None, select: Select | None
) -> Iterator[tuple[float, tuple[str, ...]]]:
    """Yield share and trained groups of what a phase falls into."""
    if phase.blocks == "proposed":
        if proposed is None:
            raise ValueError("this strategy trains a proposed block, and none was proposed")
        yield phase.share, (proposed, groups[-1])
    elif isinstance(phase.blocks, tuple):
        if select is None:
            raise ValueError("this strategy names layer groups, and nothing was given to find them with")
        chosen = {*select(phase.blocks), groups[-1]}
        yield phase.share, tuple(group for group in groups if group in chosen)
    elif phase.blocks == "each":
        for first in reversed(range(len(groups))):
            yield phase.share / len(groups), tuple(groups[first:])
    else:
        yield phase.share, tuple(groups[_first(phase.blocks, len(groups)) :])


def _first(depth: int | Literal["half", "all"], groups: int) -> int:
    """Return the index of the first group that trains; the stem only trains when everything does."""
    blocks = groups - 2
    if depth == "all":
        return 0
    wanted = -(-blocks // 2) if depth == "half" else depth
    if wanted > blocks:
        raise CatalogError(f"{wanted} blocks are asked for; this backbone has {blocks}")
    return groups - 1 - wanted
