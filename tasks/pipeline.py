"""What DVC is asked: run one stage, which stages are stale, bring data. DVC alone knows what there is to do."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ruamel.yaml import YAML

from graft.catalog import Catalog, load
from graft.errors import BadInput, DataError, Killed, RemoteDamaged, Transient
from tasks.alone import alone
from tasks.children import Say, environment, run_child
from tasks.objects import drop_damaged, find_damage
from tasks.outcomes import LOCKED, failure, forget_outcome, read_outcome
from tasks.remote import Remote, cache_folder, find_remote
from tasks.sharing import check, fetch_runs, is_shared, share, withdraw_damaged
from tasks.shifts import changed_shifts

DVC = (sys.executable, "-m", "dvc")
FETCHED = (sys.executable, "-m", "tasks.repro")
Action = Literal["ran", "skipped", "restored"]
ADD = "put the data there and under DVC: `dvc add PATH`"
HINTS = ("Updating lock file", "Generating lock file", "To track the changes", "\tgit add", "To enable auto staging")
HINTS += ("\tdvc config", "Use `dvc push`", "> ", "Data and pipelines are up to date")
HINTS += ("WARNING: Process '",)  # a lock of a killed run, which DVC has just removed
HINTS += ("  (PID ", "If there are no processes with such PIDs")  # whom it waits for is said in the error


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
    target, paths = catalog.target(name), data_paths(name, catalog)
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


def data_paths(name: str, catalog: Catalog) -> dict[str, str]:
    """Return where the data of a target and of its source lie, by the key of the catalogue that says so."""
    target = catalog.target(name)
    places = {f"sources.{target.source}": catalog.source(target.source), f"targets.{name}": target}
    paths = {f"{place}.data.path": entry.data.path for place, entry in places.items()}
    shifts = target.evaluation.shifts.items()
    return paths | {f"targets.{name}.evaluation.shifts.{shift}.path": entry.path for shift, entry in shifts}


def require_data(name: str, catalog: Catalog) -> None:
    """Raise DataError for data that its builders, which have run, did not make under the path that is asked for."""
    absent = [
        f"{place}: {path}: {', '.join(produced(path))} did not make it; {_beside(Path(path))}"
        for place, path in data_paths(name, catalog).items()
        if produced(path) and not Path(path).exists()
    ]
    if absent:
        raise DataError(f"the data of target '{name}' is missing", absent, "Correct the path in params.yaml.")


def _beside(path: Path) -> str:
    """Say what there is where a path should be."""
    near = next(parent for parent in path.parents if parent.is_dir())
    return f"in {near} there is {', '.join(sorted(each.name for each in near.iterdir())[:8]) or 'nothing'}"


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
    """Return what DVC finds changed, by stage; empty when nothing is to be done.

    What another run is making in this moment is not current yet.
    """
    command = [*DVC, "--wait-for-lock", "status", "--json", *stages]
    result = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    if result.returncode < 0:
        raise Killed(f"`dvc status` was killed from outside (signal {-result.returncode})")
    try:
        return dict(json.loads(result.stdout))
    except ValueError:
        if any(words in result.stderr for words in LOCKED):
            return dict.fromkeys(stages, "busy")
        lines = [line.removeprefix("ERROR: ") for line in result.stderr.splitlines() if line.strip()]
        said = [line for line in lines if not line.startswith("Having any troubles?")]
        raise BadInput(
            "DVC cannot tell what is current here",
            said[-5:],
            "Is this the checkout's root, and may you write below its .dvc?",
        ) from None


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

    A target's check runs, too, where its shift sets changed, which DVC does not see. Of two runs at the same stage in
    one checkout the second waits.
    """
    with alone(stage, say):
        return _reproduce(stage, say, tick)


def _reproduce(stage: str, say: Say, tick: Callable[[], None]) -> StageResult:
    forget_outcome(stage)
    started = time.monotonic()
    transcript = Transcript(say)
    remote = find_remote()
    if remote is None or stale([stage]):
        try:
            _bring_about(stage, transcript, tick, remote)
        except Transient:  # DVC will not even look while another target's run reads what this stage has made
            if stale([stage]):
                raise
            transcript.action = "skipped"
    else:  # nothing to do, and nothing to ask the remote for
        transcript.action = "skipped"
    step, _, name = stage.partition("@")
    if step == "check-target" and (changed := changed_shifts(name, load())):
        say(f"checked again, for shift set {', '.join(changed)} is new or has changed")
        transcript.action = "ran"
        _repro(stage, transcript, tick, "--force")
    if remote is not None and not is_shared(stage, remote):
        share(stage, remote, say)
    return StageResult(stage, transcript.action, time.monotonic() - started)


def _bring_about(stage: str, transcript: Transcript, tick: Callable[[], None], remote: Remote | None) -> None:
    """Restore a stage or run it; what is restored is compared with its manifest, and made anew where it is damaged."""
    if remote is None:
        _repro(stage, transcript, tick)
        return
    remote.reach()  # where it is gone DVC would train again, without a word
    if remote.store is not None:
        fetch_runs(remote.store)
    damage = _restore(stage, transcript, tick, DVC if remote.store is None else FETCHED)
    if damage:
        transcript.say(f"{stage}: what was restored is damaged, so the stage runs")
        for line in damage:
            transcript.say(f"  - {line}")
        drop_damaged(stage, cache_folder())
        transcript.action = "ran"
        _repro(stage, transcript, tick, "--force")
    if transcript.action == "ran":
        withdraw_damaged(stage, remote, transcript.say)


def _restore(stage: str, transcript: Transcript, tick: Callable[[], None], dvc: Sequence[str]) -> list[str]:
    """Have DVC restore a stage or run it, and return what is wrong with what was restored."""
    try:
        _repro(stage, transcript, tick, "--pull", dvc=dvc)
    except BadInput as error:  # DVC found an entry of the run cache and no sense in it
        if transcript.action == "restored":
            return [*error.problems] or [str(error)]
        raise
    return find_damage(stage, cache_folder()) if transcript.action == "restored" else []


def _repro(
    stage: str, transcript: Transcript, tick: Callable[[], None], *options: str, dvc: Sequence[str] = DVC
) -> None:
    command = [*dvc, "--wait-for-lock", "repro", *options, "--single-item", stage]
    if code := run_child(command, transcript, tick):
        raise failure(stage, code, read_outcome(stage), list(transcript.tail))


def run_step(step: str, name: str, say: Say, extra: Mapping[str, str] | None = None) -> None:
    """Run a step that DVC does not track (`publish`), with `extra` environment; raises the step's own error."""
    stage = f"{step}@{name}"
    forget_outcome(stage)
    tail: deque[str] = deque(maxlen=200)

    def hear(line: str) -> None:
        tail.append(line)
        say(line)

    if code := run_child([sys.executable, "-m", "graft.steps", step, name], hear, extra=extra):
        raise failure(stage, code, read_outcome(stage), list(tail))


def bring(file: str, say: Say) -> None:
    """Make the data of a `.dvc` file present, from the cache or the default remote, and the remote have it.

    What was brought is compared with its digests, for DVC's exit code does not tell; what is damaged is not left.
    """
    path, remote = Path(file.removesuffix(".dvc")), find_remote()
    if not path.exists():
        _pull(file, path, remote, say)
    if remote and not is_shared(file, remote):
        try:
            share(file, remote, say)
        except RemoteDamaged as error:  # this run can go on: its data is here
            say(str(error))


def _pull(file: str, path: Path, remote: Remote | None, say: Say) -> None:
    if remote:
        remote.reach()
    verb = "pull" if remote else "checkout"
    failed = run_child([*DVC, "--wait-for-lock", verb, file], say)
    damage = find_damage(file, cache_folder())
    if remote and remote.store and (failed or damage):
        damage = [str(fault) for fault in check(file, remote.store, mend=False)] or damage
    if failed or damage:
        drop_damaged(file, cache_folder())
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        raise BadInput(
            f"{path}: the data is not here and `dvc {verb} {file}` cannot bring it",
            damage,
            "Ask whoever added it to `dvc push`, and set the remote with `graft remote add URL`.",
        )


def refresh(file: str, say: Say) -> None:
    """Bring the newest version of data that was imported (`dvc import`, `import-url`); leave other data alone."""
    content = YAML(typ="safe").load(Path(file).read_text())
    if content.get("deps") and run_child([*DVC, "--wait-for-lock", "update", file], say):
        origin = content["deps"][0].get("path", "its origin")
        raise Transient(f"{file}: `dvc update` could not bring the newest version from {origin}")
