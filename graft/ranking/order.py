"""The order of sources: by the mean rank of their best boundary over every score that all of them have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graft.errors import DataError
from graft.ranking.history import Past, Unknown
from graft.ranking.prediction import Prediction, predict_gain
from graft.ranking.sources import LeftOut, Scored
from graft.transferability import SCORES
from graft.transferability.score import UndefinedScore, Value


@dataclass(frozen=True)
class Ranked:
    """A source with its scores; the best comes first."""

    source: str
    boundary: str
    """Where its scores rank best: what lies above is worth training anew."""
    mean_rank: float
    """Over the scores that count, among all boundaries of all sources; 1 is the best of all."""
    scores: Mapping[str, Value]
    """At that boundary."""
    distance: Value
    """Proxy A-distance of the source's own test rows to the target's labelled rows, just below the head."""
    gain: Prediction | Unknown
    """From the scores just below the head, which is where past studies measured theirs."""
    realised: float | None
    """The gain of this very pair in a past study, which no prediction is made from."""


@dataclass(frozen=True)
class Order:
    """Sources by mean rank, best first."""

    ranked: tuple[Ranked, ...]
    counted: tuple[str, ...]
    """Scores that the order comes from: those with a value wherever features say anything at all."""
    left_out: tuple[LeftOut, ...]
    """Sources whose features say nothing of the target's rows, anywhere."""


def order_sources(scored: Sequence[Scored], target: str, past: Sequence[Past]) -> Order:
    """Return the sources by the mean rank of their best boundary, over all boundaries of all sources.

    A score that is undefined for one of them counts for none, or a source would gain or lose by what was not measured.
    Raises DataError when no source is left.
    """
    from scipy.stats import rankdata

    places = [
        (one, boundary) for one in scored for boundary, values in one.boundaries.items() if _says_something(values)
    ]
    left_out = tuple(
        LeftOut(one.source, _first_reason(one)) for one in scored if one not in [place for place, _ in places]
    )
    if not places:
        reasons = [f"{one.source}: {one.reason}" for one in left_out]
        raise DataError(f"no score can be read from the labelled rows of '{target}'", reasons)
    counted = _columns([one.boundaries[boundary] for one, boundary in places])
    ranks = np.mean([rankdata([-value for value in column]) for column in counted.values()], axis=0)
    best: dict[str, int] = {}
    for place in np.argsort(ranks, kind="stable"):
        best.setdefault(places[place][0].source, int(place))
    ranked = tuple(_ranked(*places[place], float(ranks[place]), target, past) for place in best.values())
    return Order(ranked, tuple(counted), left_out)


def _says_something(values: Mapping[str, Value]) -> bool:
    return any(isinstance(values[name], float) for name in values if SCORES[name].needs == "features")


def _first_reason(scored: Scored) -> str:
    last = list(scored.boundaries.values())[-1]
    return next(value.reason for value in last.values() if isinstance(value, UndefinedScore))


def _columns(rows: Sequence[Mapping[str, Value]]) -> dict[str, list[float]]:
    """Return the values (rows,) of each score that every row has."""
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    known = {name: [value for value in column if isinstance(value, float)] for name, column in columns.items()}
    return {name: values for name, values in known.items() if len(values) == len(rows)}


def _ranked(scored: Scored, boundary: str, rank: float, target: str, past: Sequence[Past]) -> Ranked:
    last = list(scored.boundaries.values())[-1]
    known = {name: value for name, value in last.items() if not isinstance(value, UndefinedScore)}
    same = [one for one in past if (one.target, one.source) == (target, scored.source)]
    others = [one for one in past if one not in same]
    return Ranked(
        source=scored.source,
        boundary=boundary,
        mean_rank=rank,
        scores=scored.boundaries[boundary],
        distance=scored.distance,
        gain=predict_gain(others, known),
        realised=same[-1].gain if same else None,
    )
