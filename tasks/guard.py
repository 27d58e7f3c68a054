"""Runs one command so that none of its processes outlives whoever asked for it: `python -m tasks.guard COMMAND...`.

Standard input is the lifeline: it is held open by the process that asked, so that its end, `kill -9`
included, is an end of file here. Then, and on SIGTERM, the command's group is asked to stop (a step saves
its state) and killed after `GRAFT_GRACE_SECONDS`. Imports nothing but the standard library: it starts in 30 ms.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
POLL_SECONDS = 0.05


def main(command: list[str]) -> int:
    """Run the command to its end or to ours and return its exit code (128 + signal when one ended it)."""
    stop, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)  # the number arrives through the pipe
    prctl = _prctl()
    prctl(PR_SET_CHILD_SUBREAPER, 1)  # orphans of the group come to us, so that we can wait for them
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        # If we are killed ourselves, the kernel takes the command along; libc was loaded before the fork.
        preexec_fn=lambda: prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
    )
    status = _watch(child.pid, stop)
    if status is None:
        status = _end(child.pid, stop)
    else:
        _end(child.pid, stop)
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def _watch(pid: int, stop: int) -> int | None:
    """Wait until the command ends (its wait status) or the lifeline or a signal says stop (None)."""
    while True:
        ready, _, _ = select.select([0, stop], [], [])
        if stop in ready and any(number != signal.SIGCHLD for number in os.read(stop, 64)):
            return None
        if 0 in ready and not os.read(0, 4096):
            return None
        statuses = _reap()
        if pid in statuses:
            return statuses[pid]


def _end(group: int, stop: int) -> int:
    """Ask the group to stop, wait, kill what is left; a second signal shortens the wait. Returns the wait status."""
    status = 0
    deadline = time.monotonic() + float(os.environ.get("GRAFT_GRACE_SECONDS", "30"))
    _signal_group(group, signal.SIGTERM)
    while True:
        status = _reap().get(group, status)
        if not _adopted() and not _signal_group(group, 0):
            return status
        with contextlib.suppress(BlockingIOError):
            if any(number != signal.SIGCHLD for number in os.read(stop, 64)):
                deadline = 0
        if time.monotonic() > deadline:
            _signal_group(group, signal.SIGKILL)
            for pid in _adopted():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(POLL_SECONDS)


def _reap() -> dict[int, int]:
    statuses: dict[int, int] = {}
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            statuses[ended[0]] = ended[1]
    return statuses


def _signal_group(group: int, number: int) -> bool:
    """Signal the group and return whether it still has a process."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def _adopted() -> list[int]:
    """Return our children, orphans that left the group by a session of their own included (Linux only)."""
    try:
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    except OSError:
        return []


def _prctl() -> Callable[..., int]:
    try:
        return ctypes.CDLL(None, use_errno=True).prctl
    except (OSError, AttributeError):  # not Linux: the lifeline alone has to do
        return lambda *_: 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
