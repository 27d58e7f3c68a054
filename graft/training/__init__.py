"""The one loop, exact checkpoints, scoring, the prefix cache."""

from graft.training.activations import Activations
from graft.training.batches import choose_widths
from graft.training.device import describe_device, peak_memory_bytes
from graft.training.feed import Feed
from graft.training.loop import Job, Trained, train
from graft.training.prefix import Prefix
from graft.training.recording import record
from graft.training.scoring import evaluate, predict, score

__all__ = [
    "Activations",
    "Feed",
    "Job",
    "Prefix",
    "Trained",
    "choose_widths",
    "describe_device",
    "evaluate",
    "peak_memory_bytes",
    "predict",
    "record",
    "score",
    "train",
]
