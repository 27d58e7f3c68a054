"""Rehearsal: rows of the source in every step, so that its skill is not forgotten (Robins 1995, section 2).

The catalogue calls it `replay`, as later work does (Rolnick et al. 2019, Experience Replay for Continual Learning). In
this package `replay` is the playing back of recorded activations.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from graft.backbones import share_layers
from graft.problems.examples import Examples
from graft.problems.problem import Batch, Problem
from graft.strategies.strategy import Leg
from graft.training.batches import generator, group_by_length, rows_of_step
from graft.training.replay import uncovered

STREAM = 1  # beside the seed and the step: the source's random masks are not the target's


@dataclass(frozen=True)
class Rehearsal:
    """What is replayed, and how much of it."""

    problem: Problem
    """The source's."""
    processor: Any
    model: Any
    """The source's network with the head that it kept; never changed."""
    rows: Examples
    share: float
    """Share of the source in the loss of a step, above 0 and below 1."""


class Rehearsing:
    """The source's network over the layers of a model in training."""

    def __init__(self, rehearsal: Rehearsal, model: Any, batch_size: int, seed: int) -> None:
        self._problem, self._processor = rehearsal.problem, rehearsal.processor
        self.share, self._model, self._seed = rehearsal.share, model, seed
        self._count = max(1, round(batch_size * rehearsal.share / (1 - rehearsal.share)))
        self._rows = group_by_length(rehearsal.rows, self._count)
        self._device = next(model.parameters()).device
        self._source = copy.deepcopy(rehearsal.model).to(self._device).requires_grad_(False).eval()
        share_layers(model, self._source)
        self._moving = [module for module in model.modules() if isinstance(module, _BatchNorm)]

    def losses(
        self, step: int, precision: Callable[[], AbstractContextManager[Any]], at_once: int | None = None
    ) -> Iterator[torch.Tensor]:
        """Yield what sums up to the source's mean loss on rows that seed and step choose: one number, or one a part.

        As many rows as make the share, so that each counts as much as a row of the target, and at most `at_once` in
        a part. Batch normalisations use the running statistics of the moment and leave them as they are: those of the
        target, with which the network is used afterwards.
        """
        widths = self._rows.widths
        rows = rows_of_step(step, len(self._rows), self._count, self._seed, widths)
        draws = generator(self._seed, step, STREAM)
        batch = self._problem.collate(self._rows, rows, self._processor, draws, training=True)
        if at_once is None or len(rows) <= at_once or not self._problem.separable:
            yield self._loss(batch, precision)
            return
        everything = max(self._problem.weigh(batch["labels"]), 1)
        for start in range(0, len(rows), at_once):
            part = {name: value[start : start + at_once] for name, value in batch.items()}
            if share := self._problem.weigh(part["labels"]) / everything:
                yield share * self._loss(part, precision)

    def _loss(self, batch: Batch, precision: Callable[[], AbstractContextManager[Any]]) -> torch.Tensor:
        batch = {name: value.to(self._device) for name, value in batch.items()}
        labels = batch.pop("labels")
        with ExitStack() as stack:
            for module in self._moving:
                stack.callback(module.train, module.training)
                module.eval()
            stack.enter_context(uncovered(self._model))
            stack.enter_context(precision())
            logits = self._problem.read(self._source(**batch))
        return self._problem.loss(logits, labels, 0.0)


def moves_below_head(leg: Leg) -> bool:
    """Say whether a leg trains anything below the head; where it does not, there is nothing to forget."""
    return len(leg.groups) > 1
