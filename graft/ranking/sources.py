"""The catalogue's sources for a target: which can be scored, and what their scores are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graft.catalog import Catalog
from graft.errors import CheckpointError
from graft.manifest import verify_manifest
from graft.problems import PROBLEMS
from graft.transferability.score import Value

if TYPE_CHECKING:
    import pyarrow as pa

    from graft.problems import Problem

FOLDER = Path("checkpoints")


@dataclass(frozen=True)
class LeftOut:
    """A source that was not ranked."""

    source: str
    reason: str


@dataclass(frozen=True)
class Scored:
    """What was measured of one source."""

    source: str
    boundaries: Mapping[str, Mapping[str, Value]]
    """Value or reason of every score, by boundary in order."""
    distance: Value
    """Proxy A-distance of its own test rows to the target's labelled rows, just below the head."""


def find_sources(catalog: Catalog, problem: Problem) -> tuple[list[str], list[LeftOut]]:
    """Return the sources whose checkpoint is whole and fits the problem, and the others with the reason."""
    usable, left_out = [], []
    for name, source in catalog.sources.items():
        modality = PROBLEMS[source.problem].modality
        if modality != problem.modality:
            left_out.append(LeftOut(name, f"it reads {modality}, the target {problem.modality}"))
        elif not (FOLDER / name).exists():
            left_out.append(LeftOut(name, f"not pretrained yet: {_way_to(name, catalog)}"))
        else:
            try:
                verify_manifest(FOLDER / name)
                usable.append(name)
            except CheckpointError as error:
                left_out.append(LeftOut(name, f"{error.headline}: {_way_to(name, catalog)}"))
    return usable, left_out


def score_source(source: str, problem: Problem, train: pa.Table) -> Scored:
    """Return the scores of a source on a target's labelled rows."""
    from graft.backbones import load_processor
    from graft.problems.problem import has_classes
    from graft.transferability.boundaries import draw, load_frozen, score_boundaries
    from graft.transferability.features import extract

    folder = FOLDER / source
    origin = PROBLEMS[json.loads((folder / "source.json").read_text())["problem"]]
    model, processor = load_frozen(folder, origin, problem), load_processor(folder, problem)
    rows = train.take(draw(np.asarray(train["label"])))
    frozen = extract(model, problem, problem.encode(rows, processor), processor, has_classes(origin))
    boundaries = score_boundaries(frozen, np.asarray(rows["label"]))
    return Scored(source, boundaries, _distance(folder, problem, model, processor, frozen.boundaries))


def _way_to(source: str, catalog: Catalog) -> str:
    targets = [name for name, target in catalog.targets.items() if target.source == source]
    return " or ".join([f"dvc repro pretrain@{source}", *(f"graft run {name}" for name in targets[:1])])


def _distance(folder: Path, problem: Problem, model: Any, processor: Any, frozen: Mapping[str, Any]) -> Value:
    """Return the distance from the source's kept test rows, evenly drawn, to the target's rows."""
    import pyarrow.parquet as pq

    from graft.problems.examples import Examples
    from graft.transferability.distance import MOST_ROWS, a_distance
    from graft.transferability.features import extract

    table = pq.read_table(folder / "test.parquet")
    places = np.unique(np.linspace(0, len(table) - 1, min(MOST_ROWS, len(table))).astype(np.int64))
    # as the target's problem reads rows: a language model's own reading is blocks of several, or parts of one
    examples = Examples(problem.encode(table.take(places), processor).features, None)
    there = extract(model, problem, examples, processor, own_head=False)
    return a_distance(there.boundaries[there.last], frozen[there.last])
