"""What scores said of a network's depths before training, against what training from there up reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graft.ranking.correlation import kendall_rows
from graft.ranking.history import LEAST, Past, Unknown, too_few

FEWEST = 3  # depths: two are in the same order or in the reverse, whatever a score is worth


@dataclass(frozen=True)
class Depth:
    """A boundary of the network: all below it stays frozen."""

    boundary: str
    """The last layer group that is frozen."""
    scores: Mapping[str, float]
    undefined: Mapping[str, str]
    """Scores without a value here, and why."""
    best: Mapping[str, Any] | None
    """The candidate with the best validation mean of all that start to train just above; None where none was tried.
    A head that reads lower boundaries too is of no single depth and not among them."""


@dataclass(frozen=True)
class PastTaus:
    """How well a score ordered the depths within past studies."""

    studies: int
    median: float
    low: float
    high: float
    """The smallest and the largest tau of a study."""


def summarise_taus(history: Sequence[Past], score: str) -> PastTaus | Unknown:
    """Return how well a score ordered the depths within each past study, or that there are too few."""
    taus = [past.taus[score] for past in history if score in past.taus]
    if len(taus) < LEAST:
        return too_few(len(taus))
    return PastTaus(len(taus), float(np.median(taus)), min(taus), max(taus))


def read_depths(study: Mapping[str, Any]) -> list[Depth]:
    """Return the boundaries of a study (study.json) from the bottom up; none for a study that kept no scores there."""
    sign = 1.0 if study.get("higher_is_better", True) else -1.0
    tried = [one for one in study["candidates"] if one["strategy"] != "scratch" and not one.get("reads_all")]
    names = [group["name"] for group in study["groups"]]
    depths = []
    for found in study.get("boundary_scores", []):
        above = names[names.index(found["boundary"]) + 1]
        there = [one for one in tried if one["trained_groups"][:1] == [above]]
        best = max(there, key=lambda one: sign * one["mean"], default=None)
        depths.append(Depth(found["boundary"], found["scores"], found["undefined"], best))
    return depths


def correlate_depths(depths: Sequence[Depth], higher_is_better: bool = True) -> dict[str, float | Unknown]:
    """Return Kendall's tau-b of each score with the best validation mean over the depths, or why it has none.

    Depths that no candidate starts from do not count. Over the four depths of a small network a tau is rough: of the
    24 orders that are possible, one agrees wholly by chance. What a score is worth shows over many studies.
    """
    names = list(dict.fromkeys(name for depth in depths for name in (*depth.scores, *depth.undefined)))
    return {name: _correlate(depths, name, 1.0 if higher_is_better else -1.0) for name in names}


def known_taus(study: Mapping[str, Any]) -> dict[str, float]:
    """Return the taus that this study has a value for."""
    found = correlate_depths(read_depths(study), study.get("higher_is_better", True))
    return {name: round(tau, 6) for name, tau in found.items() if not isinstance(tau, Unknown)}


def _correlate(depths: Sequence[Depth], name: str, sign: float) -> float | Unknown:
    pairs = [(one.scores[name], sign * one.best["mean"]) for one in depths if one.best and name in one.scores]
    if len(pairs) < FEWEST:
        reasons = [one.undefined[name] for one in depths if name in one.undefined]
        return Unknown(reasons[-1] if reasons else f"{len(pairs)} of at least {FEWEST} depths were trained from")
    first, second = (np.array([side], dtype=np.float64) for side in zip(*pairs, strict=True))
    if np.ptp(first) == 0:
        return Unknown("the same at every depth")
    if np.ptp(second) == 0:
        return Unknown("all depths reached the same")
    return float(kendall_rows(first, second)[0])
