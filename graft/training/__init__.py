"""The one loop, exact checkpoints, scoring."""

from graft.training.device import describe_device, peak_memory_bytes
from graft.training.loop import Job, Trained, train
from graft.training.scoring import evaluate, predict, score

__all__ = [
    "Job",
    "Trained",
    "describe_device",
    "evaluate",
    "peak_memory_bytes",
    "predict",
    "score",
    "train",
]
