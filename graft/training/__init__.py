"""The one loop, exact checkpoints, scoring, the prefix cache."""

from graft.training.activations import Activations
from graft.training.batches import choose_widths
from graft.training.device import describe_device, peak_memory_bytes
from graft.training.feed import Feed
from graft.training.loop import Job, Trained, train
from graft.training.prefix import Prefix
from graft.training.recording import record
from graft.training.rehearsal import Rehearsal, moves_below_head
from graft.training.scoring import evaluate, predict, score

__all__ = [
    "Activations",
    "Feed",
    "Job",
    "Prefix",
    "Rehearsal",
    "Trained",
    "choose_widths",
    "describe_device",
    "evaluate",
    "moves_below_head",
    "peak_memory_bytes",
    "predict",
    "record",
    "score",
    "train",
]
