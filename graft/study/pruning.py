"""Pruning by cheap scores, before any trial: which depths freeze layers that clearly hide what lower ones show.

A probe at a boundary says how well a linear head reads the features that everything below leaves when it is frozen. So
it speaks for a strategy that freezes up to there, and against it only where a lower boundary reads clearly better: the
groups in between then lose something as the source left them, and whoever trains them may repair it. It says nothing
against a strategy that freezes less, however poor the lower features are, because what lies above them trains.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from graft.strategies import count_frozen
from graft.study.candidates import Candidate

ERRORS = 2.0  # standard errors of a difference of two accuracies: about 1 in 40 by chance, were rows independent
FEWEST = 2  # strategies that stay, whatever the scores say

Boundary = Mapping[str, Any]
"""`boundary`, the name of the last group below it, its `scores`, and why others are `undefined`."""


@dataclass(frozen=True)
class LeftOut:
    """A candidate that gets no trial."""

    strategy: str
    learning_rate: float
    boundary: str
    """The last group that it would have frozen."""
    reason: str


def prune(
    candidates: Sequence[Candidate],
    groups: Sequence[str],
    boundaries: Sequence[Boundary],
    scores: Sequence[str],
    rows: int,
    safe: Collection[Candidate] = (),
) -> tuple[list[Candidate], list[LeftOut]]:
    """Return who stays and who is left out, by accuracies in `scores` that were read from `rows` labelled rows.

    All scores must agree, and one that is undefined never does. The control stays, and so do who trains everything
    (or, where nobody does, who freezes least), who is `safe`, whose head reads lower boundaries too, and at least two
    strategies. `groups` are the network's,
    in order.
    """
    frozen = {one: count_frozen(one.legs, groups) for one in candidates if one.role == "candidate"}
    reasons = {
        one["boundary"]: reason
        for place, one in enumerate(boundaries, start=1)
        if (reason := _behind(boundaries[:place], scores, rows))
    }
    least = min(frozen.values())
    behind = [
        one
        for one, depth in frozen.items()
        if depth > least and groups[depth - 1] in reasons and one not in safe and not one.reads_all
    ]
    staying = {one.strategy for one in frozen if one not in behind}
    for one in sorted(behind, key=lambda one: frozen[one]):  # a stable sort: of equal depths the first named
        if len(staying) < FEWEST:
            staying.add(one.strategy)
    out = {one: groups[frozen[one] - 1] for one in behind if one.strategy not in staying}
    return [one for one in candidates if one not in out], [
        LeftOut(one.strategy, one.learning_rate, boundary, reasons[boundary]) for one, boundary in out.items()
    ]


def note(left_out: LeftOut) -> str:
    """Return what a study says of a candidate without trials."""
    return f"{left_out.strategy} at {left_out.learning_rate:g} was left out by its scores: {left_out.reason}"


def plain(left_out: Sequence[LeftOut]) -> list[dict[str, Any]]:
    """Return who was left out as study.json holds it."""
    return [asdict(one) for one in left_out]


def _behind(boundaries: Sequence[Boundary], scores: Sequence[str], rows: int) -> str | None:
    """Return why the last of the boundaries is clearly behind a lower one by every score, or None."""
    last, found = boundaries[-1], []
    for name in scores:
        lower = [one for one in boundaries[:-1] if name in one["scores"]]
        if name not in last["scores"] or not lower:
            return None
        best, here = max(lower, key=lambda one: float(one["scores"][name])), float(last["scores"][name])
        there = float(best["scores"][name])
        if there - here <= ERRORS * math.sqrt((here * (1 - here) + there * (1 - there)) / rows):
            return None
        found.append(f"{name} {here:.3f} when frozen up to {last['boundary']}, {there:.3f} up to {best['boundary']}")
    return "; ".join(found) or None
