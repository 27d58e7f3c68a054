"""Run one step in this process, and leave a word about how it ended.

DVC hides a command's exit code and message from its caller, so both are also written to
`.graft/outcomes/STEP@NAME.json`, where a task finds them.
"""

import contextlib
import json
import logging
import os
import sys
import time
import traceback
from importlib import import_module

from graft import interruption, process
from graft.catalog import load
from graft.errors import BadInput, DiskFull, GraftError
from graft.manifest import write_whole
from graft.settings import settings
from graft.steps.recognition import recognise

# By name: a step is imported only when it runs, so that each step's imports are its own.
STEPS = {
    "check-source": ("graft.steps.check", "run_source"),
    "check-target": ("graft.steps.check", "run_target"),
    "pretrain": ("graft.steps.pretrain", "run"),
    "adapt": ("graft.steps.adapt", "run"),
    "evaluate": ("graft.steps.evaluate", "run"),
    "claim": ("graft.steps.claim", "run"),
    "publish": ("graft.steps.publish", "run"),
}
USAGE = f"usage: python -m graft.steps STEP NAME\n  STEP is one of {', '.join(STEPS)}; NAME is a source or a target"


def main(arguments: list[str]) -> int:
    """Run the step that the arguments name and return its exit code."""
    if len(arguments) != 2 or arguments[0] not in STEPS:
        print(USAGE, file=sys.stderr)
        return BadInput.exit_code
    step, name = arguments
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("graft").setLevel(logging.INFO)
    interruption.listen()
    started = time.perf_counter()
    error = _run(step, name)
    outcome = {
        "stage": f"{step}@{name}",
        "code": 0 if error is None else error.exit_code if isinstance(error, GraftError) else 1,
        "kind": "done" if error is None else type(error).__name__,
        "message": "" if error is None else str(error),
        "seconds": round(time.perf_counter() - started, 3),
    }
    try:
        write_whole(settings().work / "outcomes" / f"{step}@{name}.json", json.dumps(outcome))
    except (OSError, DiskFull) as unwritten:  # the exit code still tells
        _say(f"the outcome could not be written: {unwritten}")
    return int(str(outcome["code"]))


def _run(step: str, name: str) -> Exception | None:
    module, function = STEPS[step]
    try:
        getattr(import_module(module), function)(name, load())
    except GraftError as error:
        _say(f"{step}@{name}: {error}")
        return error
    except Exception as error:  # noqa: BLE001 - a bug must end in an outcome too, with its trace
        if (foreseen := recognise(error, step, name)) is not None:
            _say(f"{step}@{name}: {foreseen}")
            return foreseen
        _say(traceback.format_exc())
        return error
    return None


def _say(text: str) -> None:
    """Print where somebody reads; the end of whoever started this step closes the pipe, and is not the point."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    # Threads that spin while they wait take the core from those that work: on two shared cores, 8 times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    process.begin()
    process.end(main(sys.argv[1:]))
