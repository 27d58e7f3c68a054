"""The source's own skill: what a trial may make it forget, and what reminds it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from graft.backbones import load, load_processor, transplant
from graft.catalog import Study
from graft.errors import CheckpointError
from graft.problems import PROBLEMS
from graft.problems.examples import Examples
from graft.problems.problem import Problem
from graft.training import Rehearsal, score
from graft.training.batches import group_by_length
from graft.training.device import make_accelerator


@dataclass(frozen=True)
class Skill:
    """The source's metric on validation rows of its own; its test rows have no part in choosing."""

    problem: Problem
    processor: Any
    model: Any
    """The source's network under the head that it kept; the layers below are those measured last."""
    rows: Examples
    before: float
    """The metric of the untouched source, which took the same way through the same code."""
    rehearsal: Rehearsal | None
    """Training rows of the source for each step, where the study asks for a share of them."""

    def lost_by(self, adapted: Any) -> float:
        """Return how much worse the source's metric is over the adapted layers; above zero is worse."""
        after = _measure(adapted, self.model, self.problem, self.rows, self.processor)
        return self.before - after if self.problem.higher_is_better else after - self.before


def open_skill(source: Path, study: Study) -> Skill | None:
    """Return what a source checkpoint keeps of its skill, or None for one that an older version has made.

    Raises CheckpointError where the study needs rows that are not there.
    """
    needed = ["validation.parquet"] * (study.max_forgetting is not None) + ["replay.parquet"] * (study.replay > 0)
    if missing := [f"{name} is missing" for name in needed if not (source / name).is_file()]:
        raise CheckpointError(
            f"{source}: the source's own rows, which this study asks for, are not there",
            missing,
            f"An older version made it; `graft run` or `python -m graft.steps pretrain {source.name}` makes it anew.",
        )
    if not (source / "validation.parquet").is_file():
        return None
    problem = PROBLEMS[json.loads((source / "source.json").read_text())["problem"]]
    processor = load_processor(source, problem)
    model = load(source, problem).to(make_accelerator().device)
    rows = _encode(source / "validation.parquet", problem, processor)
    rows = group_by_length(rows, study.batch_size)
    before = _measure(load(source, problem), model, problem, rows, processor)
    rehearsal = None
    if study.replay:
        known = _encode(source / "replay.parquet", problem, processor)
        rehearsal = Rehearsal(problem, processor, load(source, problem), known, study.replay)
    return Skill(problem, processor, model, rows, before, rehearsal)


def _encode(path: Path, problem: Problem, processor: Any) -> Examples:
    return problem.encode(pq.read_table(path), processor)


def _measure(adapted: Any, kept: Any, problem: Problem, rows: Examples, processor: Any) -> float:
    transplant(adapted, kept)
    return float(score(kept, problem, rows, processor)[problem.metric])
