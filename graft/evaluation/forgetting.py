"""Forgetting: what adaptation did to the network's skill on its own source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graft.problems import Problem


@dataclass(frozen=True)
class Forgetting:
    """The source's own test metric before and after adaptation; `loss_of_skill` above zero is worse."""

    metric: str
    before: float
    after: float
    loss_of_skill: float


def measure_forgetting(source: Path, adapted: Path, source_problem: Problem, problem: Problem) -> Forgetting:
    """Return the source's test metric with its own backbone, then with the adapted one under the source's kept head.

    The untouched backbone takes the same way through the same code first, so that the difference can only
    come from adaptation (measured otherwise, forgetting is easily that of a lost head).
    """
    import pyarrow.parquet as pq

    from graft.backbones import load, load_processor, transplant
    from graft.training import score

    processor = load_processor(source, source_problem)
    examples = source_problem.encode(pq.read_table(source / "test.parquet"), processor)
    values = []
    for folder, of in ((source, source_problem), (adapted, problem)):
        model = load(source, source_problem)
        transplant(load(folder, of), model)
        values.append(float(score(model, source_problem, examples, processor)[source_problem.metric]))
    before, after = values
    lost = before - after if source_problem.higher_is_better else after - before
    return Forgetting(source_problem.metric, before, after, lost)
