"""Frozen features: what each layer group of a source makes of a row, pooled to one vector, in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.special import softmax

from graft.backbones import is_shared, layer_groups
from graft.problems.problem import Examples, Problem
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
    latest: dict[str, torch.Tensor] = {}
    mask: list[torch.Tensor | None] = [None]

    def begin(_: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        latest.clear()
        mask[0] = named.get("attention_mask")

    def keep(group: str, output: Any) -> None:
        if (tensor := _first_tensor(output)) is not None:
            latest[group] = tensor

    def end(*_: Any) -> None:
        for name, tensor in latest.items():
            pooled[name].append(_pool(tensor, mask[0]).cpu().numpy())

    handles = [model.register_forward_pre_hook(begin, with_kwargs=True), model.register_forward_hook(end)]
    for group in groups:
        # Of all modules of a group the last to end is the one whose output leaves it.
        named = [(path, module) for path, module in model.named_modules() if path and group.owns(path)]
        modules = [module for path, module in named if not is_shared(path)]
        handles += [
            module.register_forward_hook(lambda _, __, output, name=group.name: keep(name, output))
            for module in modules
        ]
    try:
        yield pooled
    finally:
        for handle in handles:
            handle.remove()


def _pool(output: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Return one float32 vector a row, (rows, dimensions)."""
    output = output.detach().float()
    if output.ndim == 4:
        return output.mean(dim=(2, 3))
    if output.ndim != 3:
        return output.flatten(1)
    if mask is None or mask.shape != output.shape[:2]:
        return output.mean(dim=1)
    real = mask[:, :, None].to(output)
    return (output * real).sum(dim=1) / real.sum(dim=1).clamp(min=1)


def _first_tensor(output: Any) -> torch.Tensor | None:
    """Return the hidden states of what a module returns, which come first in tuples and output classes."""
    if isinstance(output, torch.Tensor):
        return output
    if isinstance(output, Mapping):
        output = tuple(output.values())
    return next((part for part in output if isinstance(part, torch.Tensor)), None) if output else None
