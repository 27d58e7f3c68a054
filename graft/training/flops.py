"""FLOPs of training: counted on one forward and backward pass of each kind, and multiplied by the rows that ran.

What is counted are matrix products, convolutions and attention, a multiplication and its addition as two operations
(torch.utils.flop_counter). What goes element by element, normalisation and the optimizer among it, is not. A pass is of
another kind where other groups train, where more is played back from the prefix cache, or where rows are padded to
another width. All that is counted grows with the rows of a batch, so a batch of two tells what any other costs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate
from typing import Any

import numpy as np
from torch.utils.flop_counter import FlopCounterMode

from graft.backbones import Freeze
from graft.problems.examples import Examples
from graft.problems.problem import Problem
from graft.strategies.strategy import Leg, count_frozen
from graft.training import adapters
from graft.training.batches import generator, paired, rows_of_step
from graft.training.device import make_accelerator
from graft.training.loop import Job
from graft.training.player import Player
from graft.training.prefix import playing

ROWS = 2  # that a pass is counted on; a single one has no variance for BatchNorm to divide by


@dataclass(frozen=True)
class Kind:
    """What decides the FLOPs of a row."""

    leg: Leg
    """What trains; steps and learning rates are left out."""
    played: int
    """Layer groups that are played back from the prefix cache."""
    width: int
    """Tokens that the row is padded to; 0 where all rows have one shape."""


@dataclass(frozen=True)
class Pass:
    """FLOPs that one row takes."""

    forward: int
    backward: int


class Meter:
    """Counts what jobs on one network cost; a kind of pass that was met before is not run again."""

    def __init__(self) -> None:
        self._known: dict[Kind, Pass] = {}

    def count(
        self,
        job: Job,
        groups: Sequence[str],
        begin: Callable[[], Any],
        steps: int,
        measured: Sequence[int] = (),
        held: Examples | None = None,
    ) -> int:
        """Return the FLOPs of a job on a network of these layer groups: training, and scoring on the way.

        `steps` were made; `measured` are those after which it scored its validation rows; `held` are rows that were
        scored when it was over. `begin` makes a network as the job found it, which is used up. What the job's prefix
        plays back is not run, and so not counted.
        """
        trained, scored = Counter[Kind](), Counter[Kind]()
        legs = [leg for leg in job.legs if leg.steps]
        ends = list(accumulate(leg.steps for leg in legs))

        @cache
        def kind(leg: Leg, width: int) -> Kind:
            played = job.prefix.deepest(count_frozen([leg], groups)) if job.prefix else 0
            return Kind(replace(leg, steps=0, head=1.0, decay=1.0, anchor=0.0, lasso=0.0, kept=1.0), played, width)

        def leg_of(step: int) -> Leg:
            return legs[next(i for i, end in enumerate(ends) if step < end)]

        for step in range(steps):
            rows = rows_of_step(step, len(job.train), job.recipe.batch_size, job.seed, job.train.widths)
            trained[kind(leg_of(step), _width(job.train, rows[0]))] += len(paired(rows, job.train.widths))
        for width, rows_held in _widths(job.validation):
            for step in measured:
                scored[kind(leg_of(step - 1), width)] += rows_held
        deepest = min(legs, key=lambda leg: count_frozen([leg], groups))
        for width, rows_held in _widths(held):
            scored[kind(replace(deepest, rank=0), width)] += rows_held  # adapters are in the weights by then
        self._learn(job, begin, [*trained, *scored])
        costs = self._known
        forward = sum(costs[one].forward * rows for one, rows in (trained + scored).items())
        return forward + sum(costs[one].backward * rows for one, rows in trained.items())

    def _learn(self, job: Job, begin: Callable[[], Any], kinds: Iterable[Kind]) -> None:
        """Run a pass of every kind that is not known yet."""
        missing = [kind for kind in dict.fromkeys(kinds) if kind not in self._known]
        for rank in dict.fromkeys(kind.leg.rank for kind in missing):
            accelerator = make_accelerator()
            model = begin()
            if rank:
                adapters.adapt(model, rank, job.seed)
            model = accelerator.prepare(model)
            for kind in missing:
                if kind.leg.rank == rank:
                    self._known[kind] = _measure(job, kind, model, accelerator)


def count_flops(work: Callable[[], Any]) -> tuple[Any, int]:
    """Return what `work` returns, and the FLOPs of everything that it ran."""
    with FlopCounterMode(display=False) as counter:
        done = work()
    return done, int(counter.get_total_flops())


def _measure(job: Job, kind: Kind, model: Any, accelerator: Any) -> Pass:
    freeze = Freeze(accelerator.unwrap_model(model), kind.leg)
    freeze.set_train(model)
    examples, row = _example(job, kind.width)
    with playing(job.prefix, model, freeze.frozen_below) as player:
        found = _run(job.problem, examples, [row] * ROWS, job.processor, model, accelerator, player)
    model.zero_grad(set_to_none=True)
    return found


def _run(
    problem: Problem,
    examples: Examples,
    rows: Sequence[int],
    processor: Any,
    model: Any,
    accelerator: Any,
    player: Player | None,
) -> Pass:
    batch = problem.collate(examples, rows, processor, generator(0), training=False)
    batch = {name: value.to(accelerator.device) for name, value in batch.items()}
    labels = batch.pop("labels")
    if player is not None:
        player(examples.numbers(rows))
    with FlopCounterMode(display=False) as counter:
        with accelerator.autocast():
            logits = problem.read(model(**batch))
        forward = counter.get_total_flops()
        accelerator.backward(problem.loss(logits, labels, 0.0))
    return Pass(forward // len(rows), (counter.get_total_flops() - forward) // len(rows))


def _example(job: Job, width: int) -> tuple[Examples, int]:
    """Return rows of a job and the number of one among them that has this width."""
    for examples in (job.train, job.validation):
        if examples is not None:
            for row in range(len(examples)):
                if _width(examples, row) == width:
                    return examples, row
    raise ValueError(f"no row of width {width}")


def _width(examples: Examples, row: int) -> int:
    return 0 if examples.widths is None else int(examples.widths[row])


def _widths(examples: Examples | None) -> Iterator[tuple[int, int]]:
    """Yield each width and how many rows have it."""
    if examples is not None and len(examples):
        own = np.zeros(len(examples), np.int64) if examples.widths is None else examples.widths
        yield from zip(*(side.tolist() for side in np.unique(own, return_counts=True)), strict=True)
