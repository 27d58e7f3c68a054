"""The ready catalogues of the real datasets, tests/real/NAME/params.yaml, and the steps that run them.

All of them run in one project, the folder `.graft/bench/problems`, so that a source that two of them have is trained
once. A step that has run there with the same code, the same entries and the same rows is not run again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bench import derived
from bench.rows import REAL, ROOT
from bench.sources import KEPT
from graft.catalog import Catalog, Source, Target, load
from graft.manifest import digest, list_files, sha256, write_whole
from graft.problems import Problem, problem_of

CATALOGUES = ROOT / "tests" / "real"
ORDER = (  # of the rows of the table; a catalogue more is a folder, and comes last if it has no word here
    "fashion_mnist", "mnist", "pneumonia", "nuclei", "movie_reviews", "review_sentences", "emotion", "squad",
    "spoken_digits", "connected_digits", "yes_no", "blood_cells", "faces", "shakespeare", "unlabelled_images",
)  # fmt: skip
start = subprocess.run  # of a step
PROJECT = KEPT / "problems"
OUTPUTS = {  # of a step, each with a manifest
    "check-source": "checks/sources", "pretrain": "checkpoints", "check-target": "checks/targets", "adapt": "runs",
    "evaluate": "reports",
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A target of a ready catalogue."""

    catalogue: str
    target: str

    @property
    def needs(self) -> Path | None:
        """The folder that is not there; None where all data are."""
        entries = self._catalog()
        data = (entries.targets[self.target].data, entries.sources[entries.targets[self.target].source].data)
        wanted = [ROOT / one.path for one in data if not one.path.startswith(str(derived.MADE))]
        wanted += [REAL / name for name in derived.ORIGINS.get(self.catalogue, ())]
        return next((path for path in wanted if not path.exists()), None)

    @property
    def problem(self) -> Problem:
        """What is predicted."""
        return problem_of(self._catalog().targets[self.target])

    def _catalog(self) -> Catalog:
        return load(CATALOGUES / self.catalogue / "params.yaml")

    def open(self, folder: Path, quick: bool = False) -> Project:
        """Return a project folder with the catalogue, its paths made absolute and what it needs made."""
        raw = self._catalog().model_dump(exclude_none=True)
        if quick:
            _reduce(raw)
        _rename(raw, self.target)
        raw["targets"][self.target]["study"]["warm_start"] = False  # what is measured again begins anew
        for entry in [*raw["sources"].values(), *raw["targets"].values()]:
            path = Path(entry["data"]["path"])
            if path.is_relative_to(derived.MADE):
                derived.make(path.relative_to(derived.MADE).parts[0], ROOT)
            entry["data"]["path"] = str((ROOT / path).resolve())
        project = Project(folder, Catalog.model_validate(raw), self.target)
        project.params.parent.mkdir(parents=True, exist_ok=True)
        project.params.write_text(json.dumps(raw, indent=2))  # JSON is YAML
        return project


@dataclass(frozen=True)
class Project:
    """A folder that steps run in."""

    folder: Path
    catalog: Catalog
    target: str

    @property
    def source(self) -> str:
        """The name of the target's source."""
        return self.catalog.targets[self.target].source

    @property
    def params(self) -> Path:
        """The catalogue, one for each target: another that is opened here does not disturb a run."""
        return self.folder / "params" / f"{self.target}.yaml"

    def run(self) -> float:
        """Run every step that is not current, and return the seconds that all of them took when they ran."""
        return sum(self._step(step, name) for step, name in self._way())

    def _way(self) -> Iterator[tuple[str, str]]:
        for step in OUTPUTS:
            yield step, self.source if step in ("check-source", "pretrain") else self.target

    def _step(self, step: str, name: str) -> float:
        stamp, key = self.folder / "stamps" / f"{step}@{name}.json", self._key(step)
        known = json.loads(stamp.read_text()) if stamp.exists() else {}
        if known.get("key") == key and (self.folder / OUTPUTS[step] / name / "manifest.json").exists():
            return float(known["seconds"])
        print(f"  {step}@{name}", file=sys.stderr, flush=True)
        environment = os.environ | {"PYTHONPATH": str(ROOT), "GRAFT_PARAMS": str(self.params.resolve())}
        started = time.perf_counter()
        command = [sys.executable, "-m", "graft.steps", step, name]
        done = start(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{self.folder}: {step}@{name} ended with {done.returncode}:\n{done.stderr[-4000:]}")
        seconds = round(time.perf_counter() - started, 1)
        stamp.parent.mkdir(exist_ok=True)
        write_whole(stamp, json.dumps({"key": key, "seconds": seconds}))
        return seconds

    def _key(self, step: str) -> str:
        """Return what decides a step's output, wherever the data and this checkout lie."""
        entries: list[Source | Target] = [self.catalog.source(self.source)]
        if step not in ("check-source", "pretrain"):
            entries.append(self.catalog.target(self.target))
        paths = [Path(entry.data.path) for entry in entries]
        rows = [list_files(path) if path.is_dir() else sha256(path) for path in paths]
        asked = [entry.model_dump(exclude={"data": {"path"}}) for entry in entries]
        return digest({"code": code_digest(), "entries": asked, "rows": rows})

    @property
    def key(self) -> str:
        """What decides the row: code, both entries and all rows."""
        return self._key("evaluate")


def find() -> list[Run]:
    """Return the targets of every ready catalogue, in the order of the table."""
    there = sorted(path.parent.name for path in CATALOGUES.glob("*/params.yaml"))
    ordered = sorted(there, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))
    return [Run(name, target) for name in ordered for target in load(CATALOGUES / name / "params.yaml").targets]


@cache
def code_digest() -> str:
    """Return a digest of all code that has a part in what a model learns and how it is graded."""
    files = sorted(path for part in LEARNING for path in (ROOT / "graft" / part).rglob("*.py"))
    return digest({path.relative_to(ROOT).as_posix(): sha256(path) for path in files})


LEARNING = ("reading", "problems", "backbones", "strategies", "training", "study", "evaluation")


def _rename(raw: dict[str, Any], target: str) -> None:
    """Keep one target and its source, under a name of its own: other catalogues may call another source the same."""
    entry = raw["targets"][target]
    source = raw["sources"][entry["source"]]
    entry["source"] = f"{entry['source']}-{digest(source)[:6]}"
    raw |= {"sources": {entry["source"]: source}, "targets": {target: entry}}


def _reduce(raw: dict[str, Any]) -> None:
    """Cut a catalogue down until it shows no more than that it runs."""
    for source in raw["sources"].values():
        source["pretraining"] |= {"epochs": 1}
    for target in raw["targets"].values():
        target["study"] |= {"strategies": ["full"], "seeds": 2, "folds": 2, "budget_steps": 4, "resamples": 100}
