"""Rows as a network takes them: what a prefix is recorded from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from graft.manifest import digest
from graft.training.batches import generator

if TYPE_CHECKING:
    import torch

    from graft.problems.examples import Examples
    from graft.problems.problem import Batch, Problem


@dataclass(frozen=True)
class Feed:
    """Rows without augmentation, by number."""

    inputs: Callable[[Sequence[int]], Batch]
    """Gives the model's inputs for some rows, without labels, each row always padded to its width."""
    keys: Sequence[str]
    """A fingerprint of each row's content."""
    widths: np.ndarray | None = None
    """The width of each row's bucket (rows,), or None where all rows have one shape."""
    processing: str = ""
    """Digest of what the processor does between the content and the inputs."""

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def of(cls, problem: Problem, examples: Examples, processor: Any, device: torch.device | str = "cpu") -> Feed:
        """Return the rows of `examples` as the problem collates them; texts need widths (see `choose_widths`)."""

        def inputs(rows: Sequence[int]) -> Batch:
            batch = problem.collate(examples, rows, processor, generator(0), training=False)
            return {name: value.to(device) for name, value in batch.items() if name != "labels"}

        keys = [_fingerprint(values) for values in examples.features]
        if problem.generates and examples.labels is not None:
            keys = [f"{key} {_fingerprint(label)}" for key, label in zip(keys, examples.labels, strict=True)]
        return cls(inputs, keys, examples.widths, digest(_describe(processor)))


def _fingerprint(values: np.ndarray) -> str:
    header = f"{values.dtype} {values.shape} ".encode()
    return hashlib.sha256(header + np.ascontiguousarray(values).tobytes()).hexdigest()[:32]


def _describe(processor: Any) -> dict[str, Any]:
    """Return what a processor does after encoding: an image processor normalises, a tokenizer pads."""
    if hasattr(processor, "pad_token_id"):
        return {"pad": processor.pad_token_id, "side": processor.padding_side}
    return dict(processor.to_dict())
