"""Where training runs, and the accelerator that knows how."""

import resource
from datetime import timedelta
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration, InitProcessGroupKwargs

from graft.errors import BadInput
from graft.settings import settings

SMALL_NETWORK = 2_000_000
PATIENCE = timedelta(days=1)
"""For other processes: while the first scores the others wait, and one that dies is noticed by whoever started it."""


def on_cpu() -> bool:
    """Say whether the settings, or the lack of a GPU, have everything computed on CPUs."""
    choice = settings().device
    return choice == "cpu" or (choice == "auto" and not torch.cuda.is_available())


def make_accelerator() -> Accelerator:
    """Return an accelerator for the device of the settings: bf16 on a GPU that has it, float32 elsewhere."""
    cpu = on_cpu()
    bf16 = not cpu and torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return Accelerator(
        cpu=cpu,
        mixed_precision="bf16" if bf16 else "no",
        # a batch is divided among the processes, so a schedule moves once in a step, however many there are
        dataloader_config=DataLoaderConfiguration(split_batches=True),
        kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)],
    )


def count_processes() -> int:
    """Return how many processes a training that can be divided is for; raises BadInput where there are fewer GPUs."""
    wanted = settings().processes
    gpus = 0 if on_cpu() else torch.cuda.device_count()
    if gpus and wanted > gpus:
        raise BadInput(
            f"GRAFT_PROCESSES is {wanted}, and this step sees {gpus} GPU{'s' if gpus > 1 else ''}; each needs its own",
            advice="Set it to 0 for as many as there are GPUs, or GRAFT_DEVICE to cpu.",
        )
    return wanted or max(gpus, 1)


def is_first() -> bool:
    """Say whether this process is the first of those that train together, or alone: it scores, writes and reports."""
    return bool(make_accelerator().is_main_process)


def use_threads(model: Any) -> None:
    """Apply the number of CPU threads of the settings, or else one for a small network and torch's choice for others.

    Below a few million weights an operation is over before a second thread has woken: on two cores one
    thread trained a ResNet of 78,000 weights 2.6 times as fast as two, a BERT of 700,000 1.7 times. The rule
    looks at the network alone, because the number of threads decides the last bits of a sum.
    """
    small = sum(parameter.numel() for parameter in model.parameters()) < SMALL_NETWORK
    threads = settings().threads or (1 if small else 0)
    if threads:
        torch.set_num_threads(threads)


def describe_device() -> str:
    """Return the name of the device that training runs on, as a report should state it."""
    device = make_accelerator().device
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{device.type}, {threads} thread{'s' if threads > 1 else ''}"


def peak_memory_bytes() -> int:
    """Return the high-water mark: of GPU memory since the last reset, or else of the whole process."""
    device = make_accelerator().device
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
