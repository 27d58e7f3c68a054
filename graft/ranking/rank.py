"""Rank the catalogue's sources for a target by cheap scores on its labelled rows; its test rows are never looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graft.catalog import Catalog
from graft.errors import CheckpointError
from graft.problems import problem_of
from graft.progress import Progress
from graft.ranking.correlation import Correlation, correlate
from graft.ranking.depths import PastTaus, summarise_taus
from graft.ranking.history import Unknown, read_history
from graft.ranking.order import Order, order_sources
from graft.ranking.prediction import Record, judge
from graft.ranking.sources import LeftOut, find_sources, score_source
from graft.reading import read
from graft.transferability import SCORES

if TYPE_CHECKING:
    from graft.registry import Registry


@dataclass(frozen=True)
class Ranking:
    """The sources for a target, best first, and what such a ranking has been worth."""

    target: str
    rows: int
    metric: str
    order: Order
    left_out: tuple[LeftOut, ...]
    """Sources that could not be scored."""
    correlations: Mapping[str, Correlation | Unknown]
    depths: Mapping[str, PastTaus | Unknown]
    """How well each score ordered the depths of the network within past studies."""
    record: Record | Unknown


def rank_sources(name: str, catalog: Catalog, registry: Registry) -> Ranking:
    """Return the sources of the catalogue, ranked for a target; progress goes to standard error.

    Raises CatalogError for an unknown target, CheckpointError when no source has a checkpoint that fits, DataError
    when no score can be read from the labelled rows.
    """
    target = catalog.target(name)
    problem = problem_of(target)
    usable, left_out = find_sources(catalog, problem)
    if not usable:
        raise CheckpointError(
            f"no source can be ranked for '{name}'",
            [f"{one.source}: {one.reason}" for one in left_out],
            "Sources are ranked by what their checkpoints make of the labelled rows; make one first.",
        )
    past = read_history(registry, problem.metric)
    train = read(target.data, problem).splits["train"]
    scored = []
    with Progress(f"rank@{name}", len(usable), "sources") as progress:
        for done, source in enumerate(usable, start=1):
            scored.append(score_source(source, problem, train))
            progress.update(done, source)
    order = order_sources(scored, name, past)
    correlations = {score: correlate(past, score) for score in SCORES}
    depths = {score: summarise_taus(past, score) for score in SCORES}
    return Ranking(name, len(train), problem.metric, order, tuple(left_out), correlations, depths, judge(past))
