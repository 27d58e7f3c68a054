"""How a step ended, read back from `.graft/outcomes`, because DVC hides a command's exit code from its caller."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft import errors
from graft.errors import BadInput, DiskFull, GraftError, Killed, Transient
from graft.manifest import free_at, says_disk_full
from graft.settings import settings
from tasks.remote import cache_folder

LOCKED = ("Unable to acquire lock", "is busy, it is being blocked by")


@dataclass(frozen=True)
class Outcome:
    """What a step wrote about its own end; `kind` is `done` or the name of an exception class."""

    kind: str
    message: str
    seconds: float


def outcome_path(stage: str) -> Path:
    """Return where the step of a stage (`adapt@digits`) says how it ended."""
    return settings().work / "outcomes" / f"{stage}.json"


def forget_outcome(stage: str) -> None:
    """Remove what an earlier run of the stage said, so that a crash cannot pass for it."""
    outcome_path(stage).unlink(missing_ok=True)


def read_outcome(stage: str) -> Outcome | None:
    """Return how the step ended, or None when it did not get as far as saying so."""
    try:
        content: dict[str, Any] = json.loads(outcome_path(stage).read_text())
    except FileNotFoundError:
        return None
    return Outcome(str(content["kind"]), str(content["message"]), float(content.get("seconds", 0.0)))


def failure(stage: str, code: int, outcome: Outcome | None, tail: Sequence[str]) -> GraftError:
    """Return the error that a failed stage stands for: the step's own where it said so, else DVC's or a crash."""
    if outcome is not None and outcome.kind != "done":
        return rebuild(stage, outcome)
    said = [line.removeprefix("ERROR: ") for line in tail if line.startswith("ERROR: ")]
    if any(words in line for line in said for words in LOCKED):
        return Transient(f"{stage}: another DVC command holds this checkout's lock: {said[-1]}")
    if any("exited with -" in line or "exited with 137" in line for line in said) or 128 < code < 192:
        return Killed(
            f"{stage}: its process was killed from outside: by the kernel, for memory ran out (`dmesg` says so; there "
            f"are {_memory() / 2**30:.0f} GiB here), or by kill -9. The same command goes on from its last state. "
            "If it is killed again, make the batch smaller (batch_size in params.yaml), or run fewer at once."
        )
    if full := [line for line in tail if says_disk_full(line)]:
        return DiskFull(
            f"{stage}: the disk is full: {full[-1].removeprefix('ERROR: ').strip()}",
            [f"{free_at(place) / 1e6:.0f} MB are free at {place.absolute()}" for place in (Path(), cache_folder())],
            "Make room (`dvc gc`, `make clean`) and run the same command again; it goes on from its last state.",
        )
    if outcome is None and said and not any("failed to run" in line for line in said):
        return BadInput(f"{stage}: DVC cannot run it", said, f"See `dvc status {stage}`.")
    last = "\n".join(f"  {line}" for line in tail[-20:])
    return GraftError(f"{stage}: failed with exit code {code}; the last it said:\n{last}")


def rebuild(stage: str, outcome: Outcome) -> GraftError:
    """Return the error of an outcome as the class it was raised as."""
    kind = getattr(errors, outcome.kind, None)
    if isinstance(kind, type) and issubclass(kind, GraftError):
        return kind(outcome.message)
    return GraftError(f"{stage}: a bug, or a fault nobody foresaw: {outcome.kind}: {outcome.message}")


def _memory() -> int:
    """Return the bytes of memory of this machine, or of this container where it has less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    given = limit.read_text().strip() if limit.is_file() else "max"
    return min(machine, int(given)) if given.isdigit() else machine
