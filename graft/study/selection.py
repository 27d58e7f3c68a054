"""Selection: the best mean over folds and seeds, and of all that are not clearly behind it the cheapest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from types import MappingProxyType
from typing import Self

import numpy as np

from graft.study.candidates import Candidate
from graft.study.trial import Outcome

DIGITS = 12  # rounding noise must not part a shortfall from the error that it equals


@dataclass(frozen=True)
class Score:
    """A mean over trials and its standard error, 0 for a single trial."""

    mean: float
    error: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Return the score of at least one value."""
        error = float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
        return cls(float(np.mean(values)), error)


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
    within: bool = False
    """Whether it could have been chosen: not dropped, nor behind the best by more than one standard error or margin."""
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
    return Score.of([outcome.metric for outcome in outcomes if outcome.metric is not None])


def shortfall(best: Sequence[Outcome], other: Sequence[Outcome], higher_is_better: bool) -> Score:
    """Return by how much a candidate is behind the best over the trials that both had, and the error of that mean.

    Paired: trials of one seed and fold met the same rows, and what is hard in these falls out of the difference. The
    error of the best one's own mean would hold it, and would be none at all where the best one is always right.
    """
    sign = 1.0 if higher_is_better else -1.0
    known = {(outcome.seed, outcome.fold): outcome.metric for outcome in other}
    pairs = [(outcome.metric, known.get((outcome.seed, outcome.fold))) for outcome in best]
    gaps = [sign * (ours - theirs) for ours, theirs in pairs if ours is not None and theirs is not None]
    return Score.of(gaps)


def is_within(behind: Score) -> bool:
    """Say whether a shortfall is within one standard error; one trial that tells two candidates apart is."""
    return round(behind.mean - behind.error, DIGITS) <= 0


def select(
    outcomes: Mapping[Candidate, Sequence[Outcome]],
    higher_is_better: bool,
    dropped: Mapping[Candidate, str] = MappingProxyType({}),
    margin: float = inf,
) -> list[Standing]:
    """Return the standings, the chosen one first and those that were `dropped`, with their reasons, last.

    The one-standard-error rule (Breiman et al. 1984, section 3.4.3), of the paired difference to the best: with few
    labels the differences between candidates are mostly noise, and then fewer trained weights are the safer choice.
    What is behind by more than the `margin` that matters to the user is not given away for them.
    """
    sign = 1.0 if higher_is_better else -1.0
    scores = {one: mean_and_error(rows) for one, rows in outcomes.items()}
    running = [one for one in scores if one not in dropped]
    best = max(running, key=lambda one: (sign * scores[one].mean, -one.cost))
    behind = {one: shortfall(outcomes[best], outcomes[one], higher_is_better) for one in running}
    within = [one for one in running if is_within(behind[one]) and round(behind[one].mean - margin, DIGITS) <= 0]
    chosen = min(within, key=lambda one: (one.cost, -sign * scores[one].mean))

    def standing(one: Candidate) -> Standing:
        steps, score = int(np.median([outcome.steps for outcome in outcomes[one]])), scores[one]
        reason = dropped.get(one) or _reason(one, chosen, best, behind, margin)
        return Standing(
            candidate=one, mean=score.mean, standard_error=score.error, trials=len(outcomes[one]), steps=steps,
            kept=one is chosen, reason=reason, dropped=one in dropped, within=one in within,
        )  # fmt: skip

    def order(one: Candidate) -> tuple[bool, float]:
        return one in dropped, -sign * scores[one].mean

    return [standing(one) for one in (chosen, *sorted((one for one in scores if one is not chosen), key=order))]


def describe(behind: Score, best: Candidate) -> str:
    """Return a shortfall in words."""
    return f"{behind.mean:.3f} ± {behind.error:.3f} behind {best.strategy}"


def _reason(
    one: Candidate, chosen: Candidate, best: Candidate, behind: Mapping[Candidate, Score], margin: float
) -> str:
    if one is chosen:
        return "best mean" if one is best else f"cheapest within one standard error: {describe(behind[one], best)}"
    if one is best:
        return f"best mean, but {chosen.strategy} trains fewer weights and is within one standard error"
    if is_within(behind[one]) and round(behind[one].mean - margin, DIGITS) > 0:
        return f"{describe(behind[one], best)}, within one standard error, but by more than the margin of {margin:g}"
    if is_within(behind[one]):
        weights = "more weights than" if one.cost > chosen.cost else "as many weights as"
        return f"{describe(behind[one], best)}, within one standard error, but trains {weights} {chosen.strategy}"
    return f"{describe(behind[one], best)}, more than one standard error"
