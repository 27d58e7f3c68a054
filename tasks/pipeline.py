"""What DVC is asked: run one stage, which stages are stale, bring data. DVC alone knows what there is to do."""

from __future__ import annotations

import configparser
import json
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ruamel.yaml import YAML

from graft.catalog import Catalog, load
from graft.errors import BadInput, DataError, Transient
from tasks.children import Say, environment, run_child
from tasks.outcomes import failure, forget_outcome, read_outcome
from tasks.shifts import changed_shifts

DVC = (sys.executable, "-m", "dvc")
Action = Literal["ran", "skipped", "restored"]
ADD = "put the data there and under DVC: `dvc add PATH`"
HINTS = ("Updating lock file", "Generating lock file", "To track the changes", "\tgit add", "To enable auto staging")
HINTS += ("\tdvc config", "Use `dvc push`", "> ", "Data and pipelines are up to date")
HINTS += ("WARNING: Process '",)  # a lock of a killed run, which DVC has just removed


@dataclass(frozen=True)
class Plan:
    """The stages of one target in order, and the tracked data files that must be there before them."""

    target: str
    source: str
    builders: tuple[str, ...]
    """Stages of dvc.yaml that make the data."""
    tracked: tuple[str, ...]
    """The `.dvc` files that hold the data, where it came from a person."""

    @property
    def stages(self) -> tuple[str, ...]:
        """Every stage in the order in which they run: both checks before any training."""
        return (*self.builders, *self.checks, *self.training)

    @property
    def checks(self) -> tuple[str, ...]:
        """The stages that look at the data before any training."""
        return (f"check-source@{self.source}", f"check-target@{self.target}")

    @property
    def training(self) -> tuple[str, ...]:
        """The stages that train and measure."""
        return (f"pretrain@{self.source}", f"adapt@{self.target}", f"evaluate@{self.target}")


@dataclass(frozen=True)
class StageResult:
    """What became of a stage: it `ran`, was `skipped` as unchanged, or was `restored` from DVC's run cache."""

    stage: str
    action: Action
    seconds: float


def plan(name: str, catalog: Catalog) -> Plan:
    """Return what a target needs.

    Raises CatalogError naming the nearest when there is no such target, and DataError listing the data paths that
    are not here and that nothing brings.
    """
    target = catalog.target(name)
    places = {f"sources.{target.source}": catalog.source(target.source), f"targets.{name}": target}
    paths = {f"{place}.data.path": entry.data.path for place, entry in places.items()}
    shifts = target.evaluation.shifts.items()
    paths |= {f"targets.{name}.evaluation.shifts.{shift}.path": entry.path for shift, entry in shifts}
    makers = {path: produced(path) for path in paths.values()}
    files = {path: tracking_file(path) for path in paths.values()}
    absent = [
        f"{place}: {path}: no such file or folder, no stage of dvc.yaml makes it and no .dvc file holds it"
        for place, path in paths.items()
        if not makers[path] and files[path] is None and not Path(path).exists()
    ]
    if absent:
        raise DataError(f"the data of target '{name}' is missing", absent, f"Correct the path, or {ADD}.")
    builders = dict.fromkeys(stage for stages in makers.values() for stage in stages)
    tracked = dict.fromkeys(str(file) for file in files.values() if file is not None)
    return Plan(name, target.source, tuple(builders), tuple(tracked))


def tracking_file(path: str) -> Path | None:
    """Return the `.dvc` file that holds a data path, if one does."""
    for place in (Path(path), *Path(path).parents):
        file = place.with_name(f"{place.name}.dvc") if place.name else None
        if file is not None and file.is_file():
            return file
    return None


def produced(path: str) -> list[str]:
    """Return the plain stages of dvc.yaml that make a data path."""
    stages = YAML(typ="safe").load(Path("dvc.yaml").read_text()).get("stages", {})
    wanted = Path(path)
    return [
        name
        for name, stage in stages.items()
        if any(Path(out) in (wanted, *wanted.parents) for out in stage.get("outs", []) if isinstance(out, str))
    ]


def code_of(*steps: Sequence[str]) -> list[list[Path]]:
    """Return the files and folders that the stages of some steps watch for every entry alike: their code.

    Each group is without what those before it have.
    """
    stages = YAML(typ="safe").load(Path("dvc.yaml").read_text()).get("stages", {})
    seen, groups = set[str](), []
    for group in steps:
        watched = {dep for step in group for dep in stages[step]["do"].get("deps", []) if "$" not in dep} - seen
        groups.append([Path(dep) for dep in sorted(watched)])
        seen |= watched
    return groups


def stale(stages: Sequence[str]) -> dict[str, object]:
    """Return what DVC finds changed, by stage; empty when nothing is to be done."""
    command = [*DVC, "--wait-for-lock", "status", "--json", *stages]
    result = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    try:
        return dict(json.loads(result.stdout))
    except ValueError:
        said = [line.removeprefix("ERROR: ") for line in result.stderr.splitlines() if line.strip()]
        raise BadInput("DVC cannot tell what is current here", said[-5:], "Is this the checkout's root?") from None


@dataclass
class Transcript:
    """Passes on what a stage says without DVC's hints, and remembers how it was done and how it ended."""

    say: Say
    action: Action = "ran"
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=200))

    def __call__(self, line: str) -> None:
        """Take one line of DVC's or of the step's output."""
        self.tail.append(line)
        if "didn't change, skipping" in line:
            self.action = "skipped"
        elif "is cached - skipping run" in line:
            self.action = "restored"
        elif not line.startswith(("Running stage", "ERROR: failed to", *HINTS)):
            self.say(line)


def reproduce(stage: str, say: Say, tick: Callable[[], None] = lambda: None) -> StageResult:
    """Run one stage if DVC finds it changed; raises the step's own error, as the class it was raised as.

    A target's check runs, too, where its shift sets changed, which DVC does not see.
    """
    forget_outcome(stage)
    started = time.monotonic()
    transcript = Transcript(say)
    _repro(stage, transcript, tick)
    step, _, name = stage.partition("@")
    if step == "check-target" and (changed := changed_shifts(name, load())):
        say(f"checked again, for shift set {', '.join(changed)} is new or has changed")
        transcript.action = "ran"
        _repro(stage, transcript, tick, "--force")
    return StageResult(stage, transcript.action, time.monotonic() - started)


def _repro(stage: str, transcript: Transcript, tick: Callable[[], None], *options: str) -> None:
    pull = ["--pull"] if has_remote() else []
    code = run_child([*DVC, "--wait-for-lock", "repro", *pull, *options, "--single-item", stage], transcript, tick)
    if code:
        raise failure(stage, code, read_outcome(stage), list(transcript.tail))


def run_step(step: str, name: str, say: Say) -> None:
    """Run a step that DVC does not track (`publish`); raises the step's own error."""
    stage = f"{step}@{name}"
    forget_outcome(stage)
    tail: deque[str] = deque(maxlen=200)

    def hear(line: str) -> None:
        tail.append(line)
        say(line)

    if code := run_child([sys.executable, "-m", "graft.steps", step, name], hear):
        raise failure(stage, code, read_outcome(stage), list(tail))


def bring(file: str, say: Say) -> None:
    """Make the data of a `.dvc` file present: from the cache, else from the default remote."""
    path = Path(file.removesuffix(".dvc"))
    if path.exists():
        return
    verb = "pull" if has_remote() else "checkout"
    if run_child([*DVC, "--wait-for-lock", verb, file], say):
        raise BadInput(
            f"{path}: the data is not here and `dvc {verb} {file}` cannot bring it",
            advice="Ask whoever added it to `dvc push`, and set the remote with `dvc remote add -d NAME URL`.",
        )


def refresh(file: str, say: Say) -> None:
    """Bring the newest version of data that was imported (`dvc import`, `import-url`); leave other data alone."""
    content = YAML(typ="safe").load(Path(file).read_text())
    if content.get("deps") and run_child([*DVC, "--wait-for-lock", "update", file], say):
        origin = content["deps"][0].get("path", "its origin")
        raise Transient(f"{file}: `dvc update` could not bring the newest version from {origin}")


def has_remote() -> bool:
    """Return whether this checkout, or this user, names a default DVC remote."""
    config = configparser.ConfigParser(interpolation=None, strict=False)
    config.read([Path.home() / ".config/dvc/config", ".dvc/config", ".dvc/config.local"])
    return config.has_option("core", "remote")
