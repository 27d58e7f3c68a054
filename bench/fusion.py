"""Fused training: trials of one shape stacked with torch.func, against the loop, and against a bare loop."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from statistics import mean, median

from bench.fusible import RATES, RECIPE, Trials, load_rows
from bench.harness import Comparison, Round, Runner
from bench.results import Conclusion, Guard, Measured
from bench.shares import measure_shares
from bench.stacked import Work, train_in_turn, train_stacked
from bench.table import figures

TITLE = "Fused training"
STACKED, LOOP, BARE = "stacked", "the loop", "one by one, bare"
STEPS = 20  # of trials with blocks; heads have those of a default study
LAST, LIMIT = 10, 1e-3
METHOD = f"""\
Trials of one strategy have equal shapes: here three folds at one learning rate, or at {len(RATES)}. *Stacked* trains
all as one with `torch.func`: parameters in stacks, `vmap` over the gradient, clipping trial by trial, an AdamW with a
learning rate for each. *The loop* is what a study runs, with the prefix cache, one trial after another. *Bare* is the
same in plain autograd and `torch.optim.AdamW` with nothing around. What the loop takes longer than *bare* is its own
overhead; only what *bare* takes longer than *stacked* comes from fusing. The networks are the ResNet of three stages
and the BERT of four layers of the studies below. It is the best case for a stack: inputs of the trained part lie ready,
sentences are of one width, nothing is measured on the way, and dropout, which would draw other numbers, is off.

Equal bits are not to be expected: products of a whole stack sum in another order than those of one trial, and AdamW,
which divides a gradient by its size, makes more of the difference where gradients are about nothing. So the guard
allows {LIMIT:g} nats in the mean of the last {LAST} losses; a mistake in rate, decay or clipping shows far above it.
Trials are not fused; docs/study.md says why."""

Found = tuple[list[list[float]], float]
"""The losses of each trial, and processor seconds."""


def comparisons(quick: bool) -> Iterator[Comparison]:
    """Yield a head, and a head with one block, on images and on texts, with few trials and with more."""
    for name in ("ResNet", "BERT"):
        rows = load_rows(name)
        for blocks in (0, 1, 3) if name == "ResNet" and not quick else (0, 1):
            trials = Trials(rows, name, blocks, 3 if quick else STEPS if blocks else RECIPE.budget_steps)
            for rates in (RATES[:1], RATES):
                yield _compare(trials, rates)


def _compare(trials: Trials, rates: Sequence[float]) -> Comparison:
    work = trials.work(rates)
    return Comparison(
        title=title(len(work.folds), trials.blocks, trials.name),
        data=f"{trials.rows.name}, {sum(value.numel() for value in work.top.parameters()):,} weights train",
        work=len(work.folds) * work.steps,
        unit="steps",
        ours=Runner(STACKED, _clocked(partial(train_stacked, work))),
        peers=(
            Runner(LOOP, _clocked(partial(trials.train, work))),
            Runner(BARE, _clocked(partial(train_in_turn, work))),
        ),
        guard=same_end,
        notes=partial(explain, work),
    )


def title(count: int, blocks: int, name: str) -> str:
    """Return what a comparison is called."""
    part = {0: "the head", 1: "the head and the last block"}.get(blocks, "all but the stem")
    return f"{count} trials, {part} of a {name}"


def _clocked(run: Callable[[], list[list[float]]]) -> Callable[[], Found]:
    def clocked() -> Found:
        started = time.process_time()
        return run(), time.process_time() - started

    return clocked


def same_end(rounds: Sequence[Round]) -> Guard:
    """Return the largest difference of what trials end with."""
    largest = max(
        abs(mean(mine[-LAST:]) - mean(other[-LAST:]))
        for one in rounds
        for peer in (LOOP, BARE)
        for mine, other in zip(one[STACKED][0], one[peer][0], strict=True)
    )
    found = f"{largest:.1e} (limit {LIMIT:.0e})"
    return Guard(name="largest difference of a trial's last losses", found=found, holds=largest <= LIMIT)


def explain(work: Work, rounds: Sequence[Round]) -> dict[str, str]:
    """Return the ratios by processor time, and whose bits are whose."""
    ratios = [median(one[peer][1] / one[STACKED][1] for one in rounds) for peer in (LOOP, BARE)]
    stack, loop, bare = (rounds[0][name][0] for name in (STACKED, LOOP, BARE))
    fewer = train_stacked(replace(work, folds=work.folds[:-1], learning_rates=work.learning_rates[:-1]))
    return {
        "by processor time": f"{figures(ratios[0])} times as fast as the loop, {figures(ratios[1])} as bare",
        "losses with the bits of the loop": f"{_equal(bare, loop)} bare, {_equal(stack, loop)} stacked",
        "losses that keep their bits when the last trial is left out of the stack": _equal(fewer, stack[:-1]),
    }


def _equal(some: list[list[float]], others: list[list[float]]) -> str:
    same = sum(mine == other for mine, other in zip(some, others, strict=True))
    return f"{same} of {len(some)} trials"


def conclude(measured: Sequence[Measured], quick: bool) -> Conclusion:
    """Return what a stack could save of whole studies, which are run for it."""
    return Conclusion() if quick else Conclusion(tables=(measure_shares(speedups(measured)),))


def speedups(measured: Sequence[Measured]) -> dict[str, tuple[float, float]]:
    """Return how many times as fast as the loop a stack and the bare loop are, by title."""
    found = {}
    for one in measured:
        loop, bare = (next(peer.ratio.median for peer in one.against if peer.peer == name) for name in (LOOP, BARE))
        found[one.title] = (loop, loop / bare)
    return found
