"""How a process of ours begins and ends: what libraries bring lives as long as it does, and is not looked through.

Importing torch and transformers makes half a million objects. While they come, Python's collector goes through them
again and again for rubbish that is not there; when the process ends, the interpreter takes them apart one by one, for
an operating system that takes back the memory anyway. Together that was a third of a short command's time. Mercurial
holds its collector back in the same way, and mypy ends so.
"""

import atexit
import gc
import logging
import os
import sys
from typing import NoReturn

COLLECTED_AFTER = 50_000
"""New containers between collections of the youngest, not 700: soon enough in a training, seldom while importing."""

_code: int | None = None


def begin() -> None:
    """Collect rubbish seldom, and be the last that `atexit` calls: to be called before anything else."""
    gc.set_threshold(COLLECTED_AFTER, *gc.get_threshold()[1:])
    atexit.register(_leave)


def end(code: int) -> NoReturn:
    """Exit with this code, and leave the modules as they are once threads and exit handlers are through."""
    global _code
    _code = code
    sys.exit(code)


def _leave() -> None:
    """End here where `end` was called; after anything else, such as a bug, the interpreter ends as it always does."""
    if _code is None:
        return
    logging.shutdown()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):  # a full disk, a closed pipe: the interpreter tries again, and says so
        return
    os._exit(_code)
