"""One run of a target, and one at a stage, in one checkout: a lock on a file, which the kernel frees at any death."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from graft.settings import settings


@contextmanager
def alone(work: str, say: Callable[[str], None]) -> Iterator[None]:
    """Hold a piece of work in this checkout for as long as the block runs; where another run is at it, say so and wait.

    It is a stage, which DVC would refuse to the second after seconds, or `transfer@TARGET`. Once the first is through,
    the second finds it done.
    """
    path = settings().work / "turns" / work.replace("/", "~")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{work}: another run is at it in this checkout; waiting until it is through")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
