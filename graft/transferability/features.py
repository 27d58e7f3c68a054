"""Frozen features: what each layer group of a source makes of a row, pooled to one vector, in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.special import softmax

from graft.backbones import layer_groups
from graft.backbones.boundaries import hear_boundaries, pool
from graft.problems.examples import Examples
from graft.problems.problem import Problem
from graft.training import predict
from graft.training.batches import batches_in_order
from graft.training.scoring import BATCH

Vectors = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Frozen:
    """Rows as a frozen network sees them."""

    boundaries: Mapping[str, Vectors]
    """Features (rows, dimensions) after each layer group below the head, by the group's name, in order."""
    probabilities: Vectors | None
    """What the network's own head says, (rows, classes); None where its head is not one that was trained."""

    @property
    def last(self) -> str:
        """The boundary just below the head."""
        return list(self.boundaries)[-1]


def extract(model: Any, problem: Problem, examples: Examples, processor: Any, own_head: bool) -> Frozen:
    """Return the features of every row at every boundary; labels are not read.

    Maps are averaged over space, sequences over their real tokens; where a network's sequences have no attention
    mask, over all positions.
    """
    with _recording(model) as pooled:
        logits = predict(model, problem, replace(examples, labels=None), processor)
    ran = [rows for _, rows in batches_in_order(range(len(examples)), BATCH, examples.widths)]
    places = np.argsort(np.concatenate(ran))  # rows of one width run together, and a lone one twice
    features = {
        name: np.concatenate([part[: len(rows)] for part, rows in zip(parts, ran, strict=True)])[places]
        for name, parts in pooled.items()
        if parts
    }
    return Frozen(features, softmax(logits, axis=1) if own_head else None)


@contextmanager
def _recording(model: Any) -> Iterator[dict[str, list[Vectors]]]:
    """Yield a dictionary that gets each batch's features, by group, while the model runs."""
    groups = layer_groups(model)[:-1]
    pooled: dict[str, list[Vectors]] = {group.name: [] for group in groups}
    mask: list[torch.Tensor | None] = [None]

    with hear_boundaries(model, groups) as latest:

        def begin(_: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
            latest.clear()
            mask[0] = named.get("attention_mask")

        def end(*_: Any) -> None:
            for name, tensor in latest.items():
                pooled[name].append(pool(tensor.detach(), mask[0]).cpu().numpy())

        handles = [model.register_forward_pre_hook(begin, with_kwargs=True), model.register_forward_hook(end)]
        try:
            yield pooled
        finally:
            for handle in handles:
                handle.remove()
