"""Being asked to stop: SIGTERM and Ctrl-C become a flag that long work reads between two steps."""

import ctypes
import os
import signal
import sys
from types import FrameType

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded here: never between a fork and what follows it
_requested = False


def listen(with_parent: bool = False) -> None:
    """Turn SIGTERM and SIGINT of this process into a request; a second signal ends it at once.

    With its parent, and below DVC, the death of the process that started this one is a request too: nobody would wait
    for its result.
    """

    def note(number: int, frame: FrameType | None) -> None:
        global _requested
        _requested = True
        signal.signal(number, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, note)
    signal.signal(signal.SIGINT, note)
    if with_parent or "DVC_STAGE" in os.environ:
        follow_parent()


def follow_parent() -> None:
    """Have the kernel send SIGTERM to this process when the one that started it dies; only Linux can."""
    if LIBC is not None:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def requested() -> bool:
    """Say whether this process has been asked to stop."""
    return _requested
