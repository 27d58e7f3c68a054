"""Rules of selection, applied to the trials that a study recorded: would another have chosen better?"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from bench.answers import Tried
from graft.study.selection import Score, is_within

Metrics = Mapping[tuple[int, int], float]
"""The metric of each trial of a candidate by seed and fold; higher is better."""


def choose_best_mean(running: Sequence[Tried]) -> str:
    """Return the candidate of the best mean, the cheaper of two."""
    return max(running, key=lambda one: (_mean(one), -one.cost)).strategy


def choose_within_one_error(running: Sequence[Tried]) -> str:
    """Return the cheapest within one standard error of the best mean, that error being the best one's own."""
    best = max(running, key=lambda one: (_mean(one), -one.cost))
    error = Score.of([metric for *_, metric in best.trials]).error
    return _cheapest([one for one in running if _mean(best) - _mean(one) <= error])


def choose_within_one_paired_error(running: Sequence[Tried]) -> str:
    """Return the cheapest whose distance to the best is within one standard error of that distance.

    Trials of the same seed and fold share their rows: what is hard in them falls out of the difference.
    """
    best = max(running, key=lambda one: (_mean(one), -one.cost))
    return _cheapest([one for one in running if _is_near(one, best)])


RULES: dict[str, Callable[[Sequence[Tried]], str]] = {
    "best mean": choose_best_mean,
    "one standard error": choose_within_one_error,
    "one standard error, paired": choose_within_one_paired_error,
}


def choose(rule: str, tried: Sequence[Tried]) -> str:
    """Return the strategy that a rule chooses of those that were not dropped."""
    return RULES[rule]([one for one in tried if one.decision != "dropped"])


def _is_near(one: Tried, best: Tried) -> bool:
    mine, others = _metrics(one), _metrics(best)
    distances = [others[trial] - mine[trial] for trial in sorted(mine.keys() & others.keys())]
    return is_within(Score.of(distances))


def _cheapest(near: Sequence[Tried]) -> str:
    return min(near, key=lambda one: (one.cost, -_mean(one))).strategy


def _metrics(one: Tried) -> Metrics:
    return {(seed, fold): metric for seed, fold, metric in one.trials}


def _mean(one: Tried) -> float:
    return float(np.mean([metric for *_, metric in one.trials]))
