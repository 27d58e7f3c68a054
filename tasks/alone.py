"""One run of a target, and one at a stage, in one checkout: a lock on a file, which the kernel frees at any death."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from graft.settings import settings


@contextmanager
def alone(stage: str, say: Callable[[str], None]) -> Iterator[None]:
    """Hold a stage of this checkout for as long as the block runs; where another run is at it, say so and wait.

    DVC would refuse the second after seconds; once the first is through, the second finds the stage unchanged.
    """
    path = settings().work / "turns" / stage.replace("/", "~")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{stage}: another run is at it in this checkout; waiting until it is through")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
