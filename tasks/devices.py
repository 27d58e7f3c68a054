"""One run on a GPU at a time: a lease on one of this machine's devices, which ends with the process that holds it."""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

VISIBLE = "CUDA_VISIBLE_DEVICES"
POLL_SECONDS = 1.0


@contextmanager
def device(say: Callable[[str], None]) -> Iterator[str | None]:
    """Hold a GPU that no other run of this machine holds, and let the steps see no other; None where there is none.

    The lease is a lock on a file, so that the kernel takes it back from a process that was killed.
    """
    names = there()
    if not names:
        yield None
        return
    with lease(names, say) as name:
        before = os.environ.get(VISIBLE)
        os.environ[VISIBLE] = name
        try:
            yield name
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
def lease(names: Sequence[str], say: Callable[[str], None]) -> Iterator[str]:
    """Hold the first of these devices that is free, waiting for one if need be."""
    folder = Path(tempfile.gettempdir()) / f"graft-devices-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    said = False
    while True:
        for name in names:
            with (folder / re.sub(r"[^\w-]", "_", name)).open("w") as stream:
                if is_locked(stream):
                    yield name
                    return
        if not said:
            say(f"waiting for a GPU: other runs hold {', '.join(names)}")
            said = True
        time.sleep(POLL_SECONDS)
