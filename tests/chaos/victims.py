"""Who can be killed: the processes below a stack, by what they do."""

import random

import psutil

KINDS = {
    "step": "-m graft.steps",
    "run": "prefect.engine",
    "worker": "worker start",
    "dvc": "-m dvc",
    "server": "server start",
    "store": "serve s3",
    "postgres": "postgres",
}
GUARD = "tasks.guard"


def living(stack: psutil.Process) -> dict[str, list[psutil.Process]]:
    """Return the processes below a stack by kind; the guards that keep them in order are left alone."""
    found: dict[str, list[psutil.Process]] = {kind: [] for kind in KINDS}
    for process in stack.children(recursive=True):
        if (kind := kind_of(process)) is not None:
            found[kind].append(process)
    return found


def kind_of(process: psutil.Process) -> str | None:
    """Return what a process does, or None for one that is no victim."""
    try:
        command = " ".join(process.cmdline())
    except psutil.Error:
        return None
    if GUARD in command:
        return None
    return next((kind for kind, words in KINDS.items() if words in command), None)


def kill_one(stack: psutil.Process, draws: random.Random) -> tuple[str, int] | None:
    """Kill a process of a kind drawn among those that are there; return kind and process id."""
    there = {kind: processes for kind, processes in living(stack).items() if processes}
    if not there:
        return None
    kind = draws.choice(sorted(there))
    victim = draws.choice(sorted(there[kind], key=lambda process: process.pid))
    try:
        victim.kill()
    except psutil.NoSuchProcess:
        return None
    return kind, victim.pid
