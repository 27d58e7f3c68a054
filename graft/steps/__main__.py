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
from typing import Any

from graft import interruption
from graft.catalog import load
from graft.errors import BadInput, DeviceLost, DiskFull, GraftError, OutOfMemory
from graft.manifest import disk_full, is_disk_full, write_whole
from graft.settings import settings

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
        if (foreseen := recognise(error, name, step == "pretrain")) is not None:
            _say(f"{step}@{name}: {foreseen}")
            return foreseen
        _say(traceback.format_exc())
        return error
    return None


def recognise(error: Exception, name: str, of_source: bool) -> GraftError | None:
    """Return an error of ours for a fault of the machine that a library has raised: disk, memory, GPU."""
    words = " ".join(str(error).split())[:300]
    if is_disk_full(error):
        return disk_full(settings().work)
    if is_out_of_memory(error):
        key = f"sources.{name}.pretraining" if of_source else f"targets.{name}.study"
        return OutOfMemory(
            f"out of memory: {words or type(error).__name__}",
            advice=f"Make the batch smaller ({key}.batch_size in params.yaml), end what else uses this memory "
            "(`free -h`, `nvidia-smi`), or run on a larger machine: the same command goes on from its last state.",
        )
    if is_device_lost(error):
        return DeviceLost(
            f"the GPU failed: {words}\nIts process can do no more; the same command goes on from the last state in "
            "a new one. If that fails too, the GPU may be sick: see `nvidia-smi -q` and `dmesg` (Xid)."
        )
    return None


def is_out_of_memory(error: Exception) -> bool:
    """Say whether memory ran out; on the CPU torch has no class of its own for it."""
    torch: Any = sys.modules.get("torch")
    of_torch = torch is not None and isinstance(error, torch.OutOfMemoryError)
    return of_torch or isinstance(error, MemoryError) or "DefaultCPUAllocator: can't allocate memory" in str(error)


def is_device_lost(error: Exception) -> bool:
    """Say whether a GPU failed; an index out of range that it found (a device-side assert) is a fault of ours."""
    torch: Any = sys.modules.get("torch")
    raised = torch is not None and isinstance(error, torch.AcceleratorError)
    said = isinstance(error, RuntimeError) and str(error).startswith(("CUDA error", "cuDNN error", "CUDA driver error"))
    return (raised or said) and "device-side assert" not in str(error)


def _say(text: str) -> None:
    """Print where somebody reads; the end of whoever started this step closes the pipe, and is not the point."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    # Threads that spin while they wait take the core from those that work: on two shared cores, 8 times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    sys.exit(main(sys.argv[1:]))
