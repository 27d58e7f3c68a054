"""A whole study, from the recording to the final models, against the exhaustive grid by transformers' `Trainer`."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import geometric_mean, mean

from bench.grid import Searched, run_grid
from bench.harness import Comparison, Round, Runner
from bench.pairs import PAIRS, Pair, Ready, ready, silent
from bench.results import Conclusion, Guard, Measured, Table
from bench.table import figures
from graft.catalog import Study
from graft.settings import settings
from graft.study import train_finals

TITLE = "The study"
STUDY = Study(budget_steps=40, few_labels=1000, learning_rates=(1e-3, 3e-3))
LABELS, AIM, MOST_REGRET = 100, 6.0, 0.005
GRID, OURS, BARE = "grid by Trainer", "the study", "neither"
PARTS = {"no cache": (False, STUDY.halving), "no halving": (True, 1), BARE: (False, 1)}
"""What is left out of the study: whether it has the cache, and its halving."""
REPEATED, ONCE = PAIRS[2], (PAIRS[0], PAIRS[1], PAIRS[3], PAIRS[4], PAIRS[5])
TAKEN_APART = (PAIRS[0],)
METHOD = f"""\
Choose and train: the {len(STUDY.strategies)} strategies of a default study and the control, each at
{len(STUDY.learning_rates)} learning rates, with {STUDY.seeds} seeds and {STUDY.folds} folds, {STUDY.budget_steps} steps
each, on {LABELS} labels per class; then the chosen one and the control on all labels. Ours is the whole study with its
cache and its halving, and trains the untouched source as well. The peer trains every candidate with every seed on every
fold by a `Trainer` of transformers, phase by phase, with frozen layers as frozen and batches made by the same function,
and takes the best mean.

Regret is how far the study's choice lies behind the grid's in the grid's own validation means; on average over the
pairs it may be {100 * MOST_REGRET:g} points. One pair is repeated. The others take too long for that and ran once, one
of them with the parts of the study taken away in turn: the cache, the halving, and both. Cheap scores prune nothing by
default and trials are not fused, so these two have no share."""


class Contest:
    """One pair, searched by ours with and without its parts and by the grid."""

    def __init__(self, found: Ready) -> None:
        self.found = found

    def study(self, cached: bool, halving: int) -> tuple[Searched, float]:
        """Return what a study finds that keeps nothing of an earlier one, and its processor time."""
        started = time.process_time()
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            study = self.found.bench.study.model_copy(update={"halving": halving})
            bench = replace(self.found.bench, study=study, folder=Path(folder))
            found = replace(self.found, bench=bench, store=Path(folder).name)
            bench, result = found.search(cached)
            for _ in train_finals(bench, result, silent):
                pass
        shutil.rmtree(settings().work / "activations" / found.store, ignore_errors=True)
        cells: dict[tuple[str, float], list[float]] = {}
        for one in result.outcomes:
            if one.metric is not None:
                cells.setdefault((one.strategy, one.learning_rate), []).append(one.metric)
        winner = result.winner.candidate
        return Searched((winner.strategy, winner.learning_rate), cells), time.process_time() - started

    def grid(self) -> tuple[Searched, float]:
        """Return what the grid finds, and its processor time."""
        started = time.process_time()
        return run_grid(self.found), time.process_time() - started


def comparisons(quick: bool) -> Iterator[Comparison]:
    """Yield the pair that is repeated, then the others with the parts taken away in turn."""
    study, labels = (STUDY.model_copy(update={"budget_steps": 3, "seeds": 2}), 8) if quick else (STUDY, LABELS)
    for pair in (REPEATED,) if quick else (REPEATED, *ONCE):
        with ready(pair, study, 0, labels) as found:
            yield _compare(pair, Contest(found), once=pair is not REPEATED)


def _compare(pair: Pair, contest: Contest, once: bool) -> Comparison:
    parts: dict[str, Callable[[], object]] = {name: partial(contest.study, *how) for name, how in PARTS.items()}
    study = contest.found.bench.study
    candidates, _, selection = contest.found.plan()
    trials = len(candidates) * study.seeds * selection.trials_per_seed
    return Comparison(
        title=str(pair),
        data=f"{len(contest.found.train)} labelled rows of {pair.target}, {trials} trials of the grid",
        work=1,
        unit="searches",
        ours=Runner(OURS, partial(contest.study, True, study.halving)),
        peers=(
            Runner(GRID, contest.grid, AIM),
            *(Runner(name, run) for name, run in parts.items() if pair in TAKEN_APART),
        ),
        guard=guard_regret,
        notes=explain,
        once=once,
    )


def guard_regret(rounds: Sequence[Round]) -> Guard:
    """Return the mean regret; whether it holds is asked of all pairs together."""
    lost = mean(regret(one[OURS][0], one[GRID][0]) for one in rounds)
    return Guard(name="regret of the choice", found=f"{100 * lost:.2f} points", holds=True, value=lost)


def regret(ours: Searched, grid: Searched) -> float:
    """Return how far our choice lies behind the grid's, both by the grid's means."""
    means = {cell: mean(metrics) for cell, metrics in grid.metrics.items()}
    return means[grid.chosen] - means[ours.chosen]


def explain(rounds: Sequence[Round]) -> dict[str, str]:
    """Return who chose what, how many trials ours ran, and the ratio by processor time."""
    (ours, mine), (grid, theirs) = rounds[0][OURS], rounds[0][GRID]
    ran, of = (sum(map(len, searched.metrics.values())) for searched in (ours, grid))
    return {
        "chosen": f"{_name(ours)} by the study, {_name(grid)} by the grid",
        "trials": f"{ran} of {of}",
        "by processor time": f"{figures(theirs / mine)} times",
    }


def conclude(measured: Sequence[Measured], quick: bool) -> Conclusion:
    """Return the mean regret with its limit, and what each part of the study saves."""
    lost = mean(one.guard.value or 0.0 for one in measured)
    guard = Guard(
        name=f"mean regret over {len(measured)} pairs, at most {100 * MOST_REGRET:g} points",
        found=f"{100 * lost:.2f} points", holds=quick or lost <= MOST_REGRET, value=lost,
    )  # fmt: skip
    return Conclusion(guards=(guard,), tables=(_shares(measured),))


def _shares(measured: Sequence[Measured]) -> Table:
    found = {one.title: {peer.peer: peer.ratio.median for peer in one.against} for one in measured}
    complete = {title: ratios for title, ratios in found.items() if BARE in ratios}
    rows = [(title, *map(times, _factors(ratios))) for title, ratios in complete.items()]
    if len(rows) > 1:
        together = zip(*(_factors(ratios) for ratios in complete.values()), strict=True)
        rows.append(("geometric mean", *(times(geometric_mean(factors)) for factors in together)))
    return Table(
        title="Where it comes from",
        note="How many times longer the study takes without a part. *Together* is without both; the rest of the "
        "distance to the grid is the loop itself, which needs no DataLoader and groups texts by length.",
        columns=("pair", "cache", "halving", "together", "the loop", "all: grid by Trainer"),
        rows=tuple(rows),
    )


def _factors(ratios: dict[str, float]) -> tuple[float, ...]:
    return (*(ratios[part] for part in PARTS), ratios[GRID] / ratios[BARE], ratios[GRID])


def times(value: float) -> str:
    """Return a factor in words."""
    return f"{value:.2g}×" if value < 10 else f"{value:.0f}×"


def _name(searched: Searched) -> str:
    strategy, rate = searched.chosen
    return f"{strategy} at {rate:g}"
