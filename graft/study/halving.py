"""Successive halving: which candidates are worth more trials (Jamieson and Talwalkar 2016, algorithm 1).

What a candidate is given more of from rung to rung is rounds, each with another fold or seed, and not steps: a strategy
of several phases shows what it is worth in its last one only, and its trials are never cut short, nor begun again. All
candidates of a rung have met the same divisions of the rows, so that their means can be compared.
"""

from collections.abc import Mapping, Sequence
from math import ceil, log2

from scipy.stats import norm, t

from graft.study.candidates import Candidate
from graft.study.selection import Score, describe, is_within, mean_and_error, shortfall
from graft.study.trial import Outcome

FEWEST = 2  # trials without which a mean has no standard error
ONE_ERROR = float(norm.cdf(1))  # the share of a normal distribution below one standard error


def is_rung(rounds: int) -> bool:
    """Say whether candidates are compared after this many rounds: 2, 4, 8 and so on."""
    return rounds >= FEWEST and log2(rounds).is_integer()


def drop(outcomes: Mapping[Candidate, Sequence[Outcome]], one_in: int, higher_is_better: bool) -> dict[Candidate, str]:
    """Return the candidates of one role that go no further, each with the reason.

    The best of every `one_in` go on, and with them all that are behind the best by no more than one standard error: the
    rule of selection could still choose them. An error of few trials is itself uncertain and counts for more, by
    Student's t (1908): 1.8 times for two trials, 1.2 times for four.
    """
    if one_in == 1 or any(len(rows) < FEWEST for rows in outcomes.values()):
        return {}
    sign = 1.0 if higher_is_better else -1.0
    scores = {one: mean_and_error(rows) for one, rows in outcomes.items()}
    ranked = sorted(scores, key=lambda one: (-sign * scores[one].mean, one.cost))
    first, room = ranked[0], ceil(len(ranked) / one_in)
    behind = {one: shortfall(outcomes[first], outcomes[one], higher_is_better) for one in ranked[room:]}
    return {
        one: f"dropped after {len(outcomes[one])} trials: {describe(gap, first)}"
        for one, gap in behind.items()
        if not is_within(_widened(gap, len(outcomes[one])))
    }


def _widened(gap: Score, trials: int) -> Score:
    """Return a shortfall whose error holds as much as one standard error of many trials does."""
    return Score(gap.mean, gap.error * float(t.ppf(ONE_ERROR, trials - 1)))
