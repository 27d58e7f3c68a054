"""One run on a GPU at a time: a lease on devices of this machine, which ends with the process that holds it."""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from graft.errors import BadInput
from graft.settings import settings

VISIBLE = "CUDA_VISIBLE_DEVICES"
POLL_SECONDS = 1.0


@contextmanager
def device(say: Callable[[str], None]) -> Iterator[str | None]:
    """Hold a GPU that no other run of this machine holds, and let the steps see no other; None where there is none.

    Where a pretraining is divided among processes (`GRAFT_PROCESSES`) as many are held, separated by commas; raises
    BadInput where there are not so many. The lease is a lock on files, so that the kernel takes it back from a process
    that was killed.
    """
    names = there()
    if not names:
        yield None
        return
    count = 1 if settings().device == "cpu" else settings().processes or len(names)
    if count > len(names):
        raise BadInput(
            f"GRAFT_PROCESSES is {count}, and this worker has {len(names)} GPU{'s' if len(names) > 1 else ''} "
            f"({', '.join(names)}); each process needs its own",
            advice="Set it to 0 for all that there are.",
        )
    with lease(names, say, count) as held:
        before = os.environ.get(VISIBLE)
        os.environ[VISIBLE] = held
        try:
            yield held
        finally:
            if before is None:
                os.environ.pop(VISIBLE)
            else:
                os.environ[VISIBLE] = before


def there() -> list[str]:
    """Return the GPUs that we may use: those of CUDA_VISIBLE_DEVICES, else all of the machine's."""
    if (named := os.environ.get(VISIBLE)) is not None:
        return [name.strip() for name in named.split(",") if name.strip() not in ("", "-1")]
    nodes = [path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*")]
    return sorted(nodes, key=int)


def is_locked(stream: IO[str]) -> bool:
    """Lock a file for ourselves unless somebody has it; return whether it is ours now."""
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def lease(names: Sequence[str], say: Callable[[str], None], count: int = 1) -> Iterator[str]:
    """Hold the first of these devices that are free, as many as asked for, waiting if need be; yields them by commas.

    All or none: two runs that each hold a part and wait for the rest would wait for ever.
    """
    folder = Path(tempfile.gettempdir()) / f"graft-devices-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    said = False
    while True:
        with ExitStack() as stack:
            if len(held := _take(names, count, folder, stack)) == count:
                yield ",".join(held)
                return
        if not said:
            say(f"waiting for {'a GPU' if count == 1 else f'{count} GPUs'}: other runs hold {', '.join(names)}")
            said = True
        time.sleep(POLL_SECONDS)


def _take(names: Sequence[str], count: int, folder: Path, stack: ExitStack) -> list[str]:
    """Lock devices in order, and stop as soon as those that are left are too few."""
    held: list[str] = []
    for place, name in enumerate(names):
        if len(held) == count or len(held) + len(names) - place < count:
            break
        if is_locked(stack.enter_context((folder / re.sub(r"[^\w-]", "_", name)).open("w"))):
            held.append(name)
    return held
