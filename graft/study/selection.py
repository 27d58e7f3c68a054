"""Selection: the best mean over folds and seeds, and within one standard error of it the cheapest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from graft.study.candidates import Candidate
from graft.study.trial import Outcome


@dataclass(frozen=True)
class Score:
    """A candidate's mean over its trials and the standard error of that mean, 0 for a single trial."""

    mean: float
    error: float


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
    """Whether it was chosen."""
    reason: str
    dropped: bool = False
    """Whether it was dropped before the end and could not be chosen any more."""
    forgetting: float | None = None
    """Mean of what its trials lost of the source's own metric; None for the control and where it is not known."""
    forgetting_error: float | None = None
    over_budget: bool = False
    """Whether it forgets more than the study allows, and could not be chosen for it."""

    @property
    def decision(self) -> str:
        """What the search decided: chosen, dropped, forgetful (above the budget), or compared to the end."""
        if self.over_budget:
            return "forgetful"
        return "chosen" if self.kept else "dropped" if self.dropped else "compared"


def mean_and_error(outcomes: Sequence[Outcome]) -> Score:
    """Return the mean of the trials' metric and its standard error."""
    values = np.array([outcome.metric for outcome in outcomes])
    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
    return Score(float(values.mean()), error)


def select(
    outcomes: Mapping[Candidate, Sequence[Outcome]],
    higher_is_better: bool,
    dropped: Mapping[Candidate, str] = MappingProxyType({}),
) -> list[Standing]:
    """Return the standings, the chosen one first and those that were `dropped`, with their reasons, last.

    The one-standard-error rule (Breiman et al. 1984, section 3.4.3): with few labels the differences between
    candidates are mostly noise, and then fewer trained weights are the safer choice.
    """
    sign = 1.0 if higher_is_better else -1.0
    scores = {one: mean_and_error(rows) for one, rows in outcomes.items()}
    means = {one: score.mean for one, score in scores.items()}
    errors = {one: score.error for one, score in scores.items()}
    running = [one for one in scores if one not in dropped]
    best = max(running, key=lambda one: (sign * means[one], -one.cost))
    within = [one for one in running if sign * (means[best] - means[one]) <= errors[best]]
    chosen = min(within, key=lambda one: (one.cost, -sign * means[one]))

    def standing(one: Candidate) -> Standing:
        steps = int(np.median([outcome.steps for outcome in outcomes[one]]))
        reason = dropped.get(one) or _reason(one, chosen, best, within, means, errors)
        return Standing(one, means[one], errors[one], len(outcomes[one]), steps, one is chosen, reason, one in dropped)

    others = sorted((one for one in scores if one is not chosen), key=lambda one: (one in dropped, -sign * means[one]))
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
