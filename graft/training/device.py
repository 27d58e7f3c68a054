"""Where training runs, and the accelerator that knows how."""

import resource

import torch
from accelerate import Accelerator

from graft.settings import settings


def make_accelerator() -> Accelerator:
    """Return an accelerator for the device of the settings: bf16 on a GPU that has it, float32 elsewhere."""
    choice = settings().device
    on_cpu = choice == "cpu" or (choice == "auto" and not torch.cuda.is_available())
    bf16 = not on_cpu and torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return Accelerator(cpu=on_cpu, mixed_precision="bf16" if bf16 else "no")


def use_threads() -> None:
    """Apply the number of CPU threads of the settings."""
    if settings().threads:
        torch.set_num_threads(settings().threads)


def describe_device(device: torch.device) -> str:
    """Return the device's name as a report should state it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({torch.get_num_threads()} threads)"


def peak_memory_bytes(device: torch.device) -> int:
    """Return the high-water mark: of GPU memory since the last reset, of the whole process on CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
