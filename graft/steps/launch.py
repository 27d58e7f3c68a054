"""A step in several processes, which `accelerate launch` starts: one for each GPU, or on CPUs as many as asked for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from graft import errors, interruption
from graft.errors import GraftError, Interrupted, Killed

LAUNCHER = (sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_machines", "1")
"""Without GPUs it starts the same processes, and they compute on CPUs: `--cpu` alone would want MPI."""
OPTIONS = ("--main_process_port", "0", "--mixed_precision", "no", "--dynamo_backend", "no")
MEMBER = "graft.steps.member"
POLL_SECONDS = 0.2
FIRST_FAILURE = re.compile(r"Root Cause.*?rank\s*:\s*(\d+).*?exitcode\s*:\s*(-?\d+)", re.DOTALL)
"""What torch's launcher says of the process that ended first."""


def launch(step: str, name: str, processes: int) -> None:
    """Run a step in so many processes, and return when all of them have ended.

    Raises what they ended with, once: the cause, not what the others made of it. None of them outlives this call, nor
    this process.
    """
    with TemporaryDirectory(prefix="graft-") as folder:
        command = [*LAUNCHER, "--num_processes", str(processes), *OPTIONS, "--module", MEMBER, step, name, folder]
        code, said = _run(command)
        ends = {rank: _read(Path(folder) / f"{rank}.json") for rank in range(processes)}
    if (failure := _failure(code, ends, said)) is not None:
        raise failure


def _run(command: list[str]) -> tuple[int, list[str]]:
    """Return the launcher's exit code and the last that was said, when it and all that it started have ended."""
    environment = {**os.environ}
    if sys.platform == "linux":
        environment.setdefault("GLOO_SOCKET_IFNAME", "lo")  # all are on this machine, whatever its name resolves to
    said: deque[str] = deque(maxlen=400)
    launcher = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=2,  # the first process speaks there
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=environment,
        start_new_session=True,  # Ctrl-C on the terminal is for us to pass on, once
        preexec_fn=interruption.follow_parent,
    )
    # every process holds the pipe: it ends with the last of them, also when the launcher is killed before
    reader = threading.Thread(target=_collect, args=(launcher.stderr, said), daemon=True)
    reader.start()
    passed_on = False
    while reader.is_alive():
        reader.join(POLL_SECONDS)
        if interruption.requested() and not passed_on:
            launcher.terminate()
            passed_on = True
    return launcher.wait(), list(said)


def _collect(stream: IO[str], said: deque[str]) -> None:
    with stream:
        said.extend(line.rstrip() for line in stream)


def _read(path: Path) -> dict[str, str] | None:
    return dict(json.loads(path.read_text())) if path.exists() else None


def _failure(code: int, ends: dict[int, dict[str, str] | None], said: list[str]) -> GraftError | None:
    """Return the error that processes ended with: that of one which failed by itself, else how the first one died."""
    kinds = [end["kind"] for end in ends.values() if end is not None]
    if code == 0 and kinds == ["done"] * len(ends):
        return None
    for end in ends.values():
        if end is not None and end["kind"] not in ("done", Interrupted.__name__, Killed.__name__):
            return _rebuild(end)
    if code >= 0 and Interrupted.__name__ in kinds:
        return next(_rebuild(end) for end in ends.values() if end is not None and end["kind"] == Interrupted.__name__)
    if code >= 0 and interruption.requested():
        return Interrupted("stopped before there was anything to save; the same command begins again")
    again = "The same command goes on from its last checkpoint"
    if found := FIRST_FAILURE.search("\n".join(said)):
        rank, exitcode = int(found[1]), int(found[2])
        if exitcode < 0:
            return Killed(
                f"process {rank + 1} of {len(ends)} was ended by signal {-exitcode} (9: by a person, or for want of "
                f"memory), and the others with it. {again}."
            )
    if code < 0:
        return Killed(f"the launcher of its {len(ends)} processes was killed from outside (signal {-code}). {again}.")
    said = [*(end["message"] for end in ends.values() if end is not None), *said[-40:]]
    last = "\n".join(f"  {line}" for line in said)
    return GraftError(f"its {len(ends)} processes failed (exit code {code}); the last they said:\n{last}")


def _rebuild(end: dict[str, str]) -> GraftError:
    """Return the error of a process as the class it was raised as."""
    kind = getattr(errors, end["kind"], GraftError)
    error = GraftError(end["message"]) if not issubclass(kind, GraftError) else kind(end["message"])
    return error
