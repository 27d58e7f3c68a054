"""The champion as a place to begin: a retraining may go on from the model in use as well as from the source.

It has met most of the labelled rows already, and would be flattered by every fold that holds one of them. So where one
begins from it, all candidates are compared on rows that it has not met, nor any model that it was itself begun from;
the others are trained on in every fold. Where these are too few to tell anything, or where a row that it has met is a
test row of now, nobody begins from it.

The flow puts the champion here before it trains. It is no dependency of the stage: a champion that moves makes nothing
stale, and which one a study began from stands in its facts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from graft.backbones import load
from graft.champion import find_champion
from graft.manifest import list_files, sha256, verify_manifest
from graft.problems.problem import Problem
from graft.reading import Dataset, row_hashes
from graft.reading.splitting import strata, together

LEAST, LEAST_OF_A_CLASS = 20, 2  # rows that it has not met, or the folds say nothing
CHANGING = ("config.json",)  # of what a processor writes beside itself: the network's own


@dataclass(frozen=True)
class Start:
    """A model in use, loaded; or why nothing can begin from it."""

    version: str = ""
    """Such as `digits@3`."""
    digest: str = ""
    """Of its package."""
    network: Any = None
    met: frozenset[str] = frozenset()
    """Hashes of all rows that it, and what it was begun from, have been trained on."""
    unseen: tuple[int, ...] = ()
    """Numbers of the labelled rows of now that are not among them, nor of a group of which one is."""
    unfit: str | None = "no model of it is champion yet"
    """Why nothing can begin from it."""

    def describe(self) -> dict[str, Any] | None:
        """Return what study.json says of it; None where nothing could begin from it."""
        facts = {"version": self.version, "digest": self.digest, "unseen": len(self.unseen)}
        return None if self.unfit else facts


NOWHERE = Start()


def start_from_champion(name: str, problem: Problem, processor: Any, source: Any, dataset: Dataset) -> Start:
    """Return the champion of a target, if a study of these rows over this source's network can begin from it.

    `processor` and `source` are the study's. Raises CheckpointError for a package that is damaged.
    """
    if (champion := find_champion(name)) is None:
        return NOWHERE
    package, version = Path(champion.folder), champion.version
    verify_manifest(package)
    facts = json.loads((package / "graft.json").read_text())
    met = frozenset(facts.get("met_hashes") or facts["train_hashes"])
    unseen = _unseen(dataset, problem, met)
    if reason := _other_task(facts, problem, dataset) or _other_processor(package, processor):
        return Start(unfit=f"{version} {reason}")
    if reason := _too_close(dataset, problem, met) or _too_few(dataset, unseen):
        return Start(unfit=f"{version} {reason}")
    network = load(package, problem)
    if _shapes(network) != _shapes(source):
        return Start(unfit=f"{version} is another network than the source")
    return Start(version, champion.digest, network, met, unseen, None)


def _unseen(dataset: Dataset, problem: Problem, met: frozenset[str]) -> tuple[int, ...]:
    train = dataset.splits["train"]
    known = np.array([key in met for key in row_hashes(train, problem)], dtype=bool)
    if (units := together(train)) is not None:
        familiar = {unit for unit, one in zip(units, known, strict=True) if one}
        known = np.array([unit in familiar for unit in units], dtype=bool)
    return tuple(np.flatnonzero(~known).tolist())


def _other_task(facts: dict[str, Any], problem: Problem, dataset: Dataset) -> str | None:
    if facts["problem"] != problem.name:
        return f"is for {facts['problem']}"
    return None if tuple(facts["labels"]) == dataset.labels else "tells other labels apart"


def _other_processor(package: Path, processor: Any) -> str | None:
    """Return how the package reads inputs otherwise than the study does, or None."""
    with TemporaryDirectory(prefix="graft-processor-") as folder:
        processor.save_pretrained(folder)
        ours = {name: digest for name, digest in list_files(Path(folder)).items() if name not in CHANGING}
    other = [name for name, digest in ours.items() if not _is(package / name, digest)]
    return f"reads its inputs otherwise than the source does now ({', '.join(sorted(other))})" if other else None


def _is(path: Path, digest: str) -> bool:
    return path.is_file() and sha256(path) == digest


def _too_close(dataset: Dataset, problem: Problem, met: frozenset[str]) -> str | None:
    count = sum(key in met for key in row_hashes(dataset.splits["test"], problem))
    return f"was trained on {count} of the rows that are test rows now" if count else None


def _too_few(dataset: Dataset, unseen: Sequence[int]) -> str | None:
    train = dataset.splits["train"]
    there = strata(train)
    labels, counts = np.unique(there[np.asarray(unseen, dtype=np.int64)], return_counts=True)
    least = LEAST_OF_A_CLASS * len(np.unique(there))
    if len(unseen) >= max(LEAST, least) and len(labels) == len(np.unique(there)) and min(counts) >= LEAST_OF_A_CLASS:
        return None
    needed = f"at least {LEAST}" + (f", {LEAST_OF_A_CLASS} of each label" if "label" in train.column_names else "")
    return f"has met all but {len(unseen)} of the {len(train)} labelled rows, and {needed}, are needed to compare on"


def _shapes(network: Any) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}
