"""Being asked to stop: SIGTERM and Ctrl-C become a flag that long work reads between two steps."""

import signal
from types import FrameType

_requested = False


def listen() -> None:
    """Turn SIGTERM and SIGINT of this process into a request; a second signal ends it at once."""

    def note(number: int, frame: FrameType | None) -> None:
        global _requested
        _requested = True
        signal.signal(number, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, note)
    signal.signal(signal.SIGINT, note)


def requested() -> bool:
    """Say whether this process has been asked to stop."""
    return _requested
