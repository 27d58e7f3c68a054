"""The machine that a run is made on."""

import os
import platform
from pathlib import Path

from bench.results import Machine


def describe(load: float) -> Machine:
    """Return what decides how fast this process runs; `load` is the one before it started."""
    import torch

    from graft.training.device import describe_device, make_accelerator

    on_gpu = make_accelerator().device.type == "cuda"
    return Machine(
        cpu=_cpu_model(),
        cores=len(os.sched_getaffinity(0)),
        threads=torch.get_num_threads(),
        gpu=torch.cuda.get_device_name() if on_gpu else None,
        device=describe_device(),
        torch=torch.__version__,
        python=platform.python_version(),
        load=round(load, 2),
    )


def _cpu_model() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
