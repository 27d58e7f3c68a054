"""Selection: the best mean over folds and seeds, and within one standard error of it the cheapest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graft.study.candidates import Candidate
from graft.study.trial import Outcome


@dataclass(frozen=True)
class Standing:
    """How a candidate did, and what became of it."""

    candidate: Candidate
    mean: float
    standard_error: float
    """Of the mean over the trials; folds of one seed share rows, so it is a guide, not a test."""
    trials: int
    steps: int
    """Median of the steps its trials kept: what the final models train for."""
    kept: bool
    reason: str


def select(outcomes: Mapping[Candidate, Sequence[Outcome]], higher_is_better: bool) -> list[Standing]:
    """Return the standings, the chosen one first.

    The one-standard-error rule (Breiman et al. 1984, section 3.4.3): with few labels the differences between
    candidates are mostly noise, and then fewer trained weights are the safer choice.
    """
    sign = 1.0 if higher_is_better else -1.0
    scores = {one: np.array([outcome.metric for outcome in outcomes[one]]) for one in outcomes}
    means = {one: float(values.mean()) for one, values in scores.items()}
    errors = {
        one: float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
        for one, values in scores.items()
    }
    best = max(scores, key=lambda one: (sign * means[one], -one.cost))
    within = [one for one in scores if sign * (means[best] - means[one]) <= errors[best]]
    chosen = min(within, key=lambda one: (one.cost, -sign * means[one]))

    def standing(one: Candidate) -> Standing:
        steps = int(np.median([outcome.steps for outcome in outcomes[one]]))
        reason = _reason(one, chosen, best, within, means, errors)
        return Standing(one, means[one], errors[one], len(scores[one]), steps, one is chosen, reason)

    others = sorted((one for one in scores if one is not chosen), key=lambda one: -sign * means[one])
    return [standing(one) for one in (chosen, *others)]


def _reason(
    one: Candidate,
    chosen: Candidate,
    best: Candidate,
    within: Sequence[Candidate],
    means: Mapping[Candidate, float],
    errors: Mapping[Candidate, float],
) -> str:
    bar = f"{means[best]:.3f} ± {errors[best]:.3f}"
    if one is chosen:
        return "best mean" if one is best else f"cheapest within one standard error of {best.strategy} ({bar})"
    if one is best:
        return f"best mean ({bar}), but {chosen.strategy} is within one standard error and trains fewer weights"
    if one in within:
        return f"within one standard error of {best.strategy} ({bar}), but trains more weights than {chosen.strategy}"
    return f"more than one standard error behind {best.strategy} ({bar})"
