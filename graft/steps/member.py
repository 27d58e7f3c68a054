"""One of the processes of a step: `python -m graft.steps.member STEP NAME FOLDER`, below `accelerate launch`.

It says how it ended in `FOLDER/RANK.json`, for whoever had it started to say it once (see `launch`). The first process
speaks for all: of the others only a crash is heard.
"""

import json
import logging
import os
import sys
import traceback
from importlib import import_module
from pathlib import Path

from graft import interruption
from graft.catalog import load
from graft.errors import GraftError, Interrupted
from graft.manifest import write_whole
from graft.steps.recognition import recognise


def main(arguments: list[str]) -> int:
    """Run the step and return 0 unless it failed: torch's launcher ends the others when one fails."""
    step, name, folder = arguments
    rank = int(os.environ["RANK"])
    _speak(rank)
    interruption.listen(with_parent=True)
    kind, message = _run(step, name)
    write_whole(Path(folder) / f"{rank}.json", json.dumps({"kind": kind, "message": message}))
    if kind == "done":
        _part()
    return 0 if kind in ("done", Interrupted.__name__) else 1


def _run(step: str, name: str) -> tuple[str, str]:
    try:
        import_module(f"graft.steps.{step}").run(name, load())
    except GraftError as error:
        return type(error).__name__, str(error)
    except Exception as error:  # noqa: BLE001 - a bug must end in an outcome too, with its trace
        if (foreseen := recognise(error, step, name)) is not None:
            return type(foreseen).__name__, str(foreseen)
        return type(error).__name__, traceback.format_exc()
    return "done", ""


def _speak(rank: int) -> None:
    """Have the first process speak where the step is read, and the others nowhere; errors of Python itself are kept.

    Standard error is the pipe that the starting process reads; it is held to the end, so that it tells when all are
    gone.
    """
    if rank == 0:
        os.dup(2)
        os.dup2(1, 2)
    else:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.close(silence)
    logging.basicConfig(level=logging.WARNING if rank == 0 else logging.ERROR, format="%(message)s", stream=sys.stderr)
    logging.getLogger("graft").setLevel(logging.INFO if rank == 0 else logging.ERROR)


def _part() -> None:
    """Leave the group of processes; torch complains of one that does not."""
    from torch import distributed

    if distributed.is_initialized():
        distributed.destroy_process_group()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
