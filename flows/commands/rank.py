"""graft rank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from flows.terminal import print_json, print_table
from graft.catalog import load
from graft.evaluation.verdict import signed
from graft.ranking.correlation import Correlation
from graft.ranking.depths import PastTaus
from graft.ranking.history import Unknown
from graft.ranking.order import Ranked
from graft.ranking.prediction import Prediction, Record
from graft.ranking.rank import Ranking, rank_sources
from graft.transferability.score import UndefinedScore, Value


def rank(target: str, as_json: bool) -> None:
    """Rank the sources for a target and say what such a ranking has been worth here."""
    from graft.registry import open_registry

    ranking = rank_sources(target, load(), open_registry())
    if as_json:
        print_json(plain(ranking))
    else:
        show(ranking)


def show(ranking: Ranking) -> None:
    """Print what a person wants to read."""
    ranked = ranking.order.ranked
    count = len(ranked)
    print(
        f"{ranking.target}: {count} source{'s' * (count > 1)} scored on {ranking.rows} labelled rows; nothing trained"
    )
    columns = ("", "source", "best at", "mean rank", "distance", "gain to expect")
    rows = [
        (place, one.source, one.boundary, f"{one.mean_rank:.1f}", _number(one.distance), _gain(one))
        for place, one in enumerate(ranked, start=1)
    ]
    print_table(columns, rows, right=("mean rank", "distance"))
    names = list(ranked[0].scores)
    columns = ("score at its best boundary", *(one.source for one in ranked), "rank correlation with past gains")
    columns += ("with past depths",)
    scores = [
        (name, *(_number(one.scores[name]) for one in ranked), _order(ranking, name), _depths(ranking, name))
        for name in names
    ]
    print_table(columns, scores, right=columns[1:-2])
    for name in names:
        undefined = [one.scores[name] for one in ranked if isinstance(one.scores[name], UndefinedScore)]
        if undefined:
            print(f"{name} does not count in the order; {undefined[0]}")
    print(f"how predictions have held here: {_record(ranking.record)}")
    for left in (*ranking.order.left_out, *ranking.left_out):
        print(f"not ranked: {left.source}, {left.reason}")


def plain(ranking: Ranking) -> dict[str, Any]:
    """Return the ranking as JSON holds it."""
    return {
        "target": ranking.target,
        "rows": ranking.rows,
        "metric": ranking.metric,
        "sources": [_plain_source(one) for one in ranking.order.ranked],
        "counted": list(ranking.order.counted),
        "correlations": {name: _known(found) for name, found in ranking.correlations.items()},
        "depths": {name: _known(found) for name, found in ranking.depths.items()},
        "record": _known(ranking.record),
        "not_ranked": [asdict(one) for one in (*ranking.order.left_out, *ranking.left_out)],
    }


def _plain_source(one: Ranked) -> dict[str, Any]:
    return {
        "source": one.source,
        "boundary": one.boundary,
        "mean_rank": one.mean_rank,
        "scores": {name: _value(value) for name, value in one.scores.items()},
        "undefined": {name: value.reason for name, value in one.scores.items() if isinstance(value, UndefinedScore)},
        "distance": _value(one.distance),
        "gain": _known(one.gain),
        "realised_gain": one.realised,
    }


def _known(found: Any) -> Mapping[str, Any]:
    return {"unknown": found.reason} if isinstance(found, Unknown) else asdict(found)


def _value(value: Value) -> float | None:
    return None if isinstance(value, UndefinedScore) else value


def _number(value: Value) -> str:
    return "undefined" if isinstance(value, UndefinedScore) else f"{value:.3f}"


def _gain(one: Ranked) -> str:
    known = f"; studied: {signed(100 * one.realised)}" if one.realised is not None else ""
    if isinstance(one.gain, Prediction):
        gain = one.gain.gain
        expected = f"{signed(100 * gain.value)} points ({signed(100 * gain.low)} to {signed(100 * gain.high)})"
        return expected + known
    return f"{one.gain}{known}"


def _order(ranking: Ranking, name: str) -> str:
    found = ranking.correlations.get(name)
    if not isinstance(found, Correlation):
        return "" if found is None else str(found)
    sides = (("rho", found.spearman), ("tau", found.kendall))
    return ", ".join(f"{sign} {one.value:.2f} ({one.low:.2f} to {one.high:.2f})" for sign, one in sides)


def _depths(ranking: Ranking, name: str) -> str:
    found = ranking.depths.get(name)
    if not isinstance(found, PastTaus):
        return "" if found is None else str(found)
    return f"tau {found.median:.2f} ({found.low:.2f} to {found.high:.2f}) within {found.studies} studies"


def _record(record: Record | Unknown) -> str:
    if isinstance(record, Unknown):
        return str(record)
    better = "better" if record.error < record.baseline else "no better"
    return (
        f"{record.studies} studies, each predicted from the others, were missed by {100 * record.error:.1f} points on "
        f"average; {better} than always saying the median gain ({100 * record.baseline:.1f})"
    )
