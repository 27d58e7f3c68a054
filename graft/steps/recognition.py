"""Faults of the machine in what is raised: no room on the disk, no right to it, no memory, a GPU that failed."""

import sys
from typing import Any

from graft.errors import DeviceLost, GraftError, OutOfMemory
from graft.manifest import refused
from graft.settings import settings


def recognise(error: Exception, step: str, name: str) -> GraftError | None:
    """Return an error of ours for a fault of the machine that was raised: disk, rights, memory, GPU."""
    words = " ".join(str(error).split())[:300]
    if (said := refused(error, settings().work)) is not None:
        return said
    if is_out_of_memory(error):
        key = f"sources.{name}.pretraining" if step == "pretrain" else f"targets.{name}.study"
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
