"""Successive halving: which candidates are worth another seed (Jamieson and Talwalkar 2016, algorithm 1).

What a candidate is given more of from rung to rung is seeds, each with all its folds, and not steps: a strategy of
several phases shows what it is worth in its last one only, and its trials are never cut short, nor begun again. All
candidates of a rung have met the same divisions of the rows, so that their means can be compared.
"""

from collections.abc import Mapping, Sequence
from math import ceil

from graft.study.candidates import Candidate
from graft.study.selection import describe, is_within, mean_and_error, shortfall
from graft.study.trial import Outcome

FEWEST = 2  # trials without which a mean has no standard error


def drop(outcomes: Mapping[Candidate, Sequence[Outcome]], one_in: int, higher_is_better: bool) -> dict[Candidate, str]:
    """Return the candidates of one role that go no further, each with the reason.

    The best of every `one_in` go on, and with them all that are behind the best by no more than one standard error: the
    rule of selection could still choose them.
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
        if not is_within(gap)
    }
