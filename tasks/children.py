"""Child processes that are read line by line and never outlive us."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

TICK_SECONDS = 1.0

Say = Callable[[str], None]


def run_child(
    command: Sequence[str], say: Say, tick: Callable[[], None] = lambda: None, extra: Mapping[str, str] | None = None
) -> int:
    """Run a command in its own group, pass each line of its output to `say`, and return its exit code.

    `tick` is called about once a second while it runs. Whatever ends this call early (an exception, a
    cancel, SIGTERM, the death of this process) also ends the command: it gets SIGTERM and time to save.
    """
    process = start_guarded(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, extra=extra)
    try:
        for line in _lines(process, tick):
            say(line)
        return process.wait()
    finally:
        end_guarded(process, say)


def start_guarded(
    command: Sequence[str],
    stdout: int | None = None,
    stderr: int | None = None,
    extra: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a command under a guard that ends it when its standard input closes."""
    return subprocess.Popen(
        [sys.executable, "-m", "tasks.guard", *command],
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
        env=environment() | dict(extra or {}),
        start_new_session=True,  # Ctrl-C on the terminal is for us to pass on, once
    )


def end_guarded(process: subprocess.Popen[bytes], say: Say = lambda line: None) -> None:
    """Let go of the lifeline, pass on what the command still says, and wait until nothing of it is left."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        if process.stdout is not None:
            for line in _lines(process, lambda: None):
                say(line)
        process.wait()
    except BaseException:  # a second Ctrl-C: no more waiting for a saved state
        process.send_signal(signal.SIGTERM)
        process.wait()
        raise
    finally:
        if process.stdout is not None:
            process.stdout.close()


def environment() -> dict[str, str]:
    """Return our environment with this Python first on PATH, so that `python` in dvc.yaml means this one."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", "DVC_NO_ANALYTICS": "true"}


def _lines(process: subprocess.Popen[bytes], tick: Callable[[], None]) -> Iterator[str]:
    """Yield what a process prints, without empty lines; of a bar redrawn in place only its last state."""
    assert process.stdout is not None
    if process.stdout.closed:
        return
    rest, due = b"", time.monotonic() + TICK_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if time.monotonic() >= due:
                tick()
                due = time.monotonic() + TICK_SECONDS
            if not selector.select(timeout=max(0.0, due - time.monotonic())):
                continue
            chunk = os.read(process.stdout.fileno(), 65536)
            *whole, rest = (rest + chunk).split(b"\n")
            yield from filter(None, map(_visible, whole if chunk else [*whole, rest]))
            if not chunk:
                return


def _visible(line: bytes) -> str:
    return line.rstrip().rsplit(b"\r", 1)[-1].decode(errors="replace")
