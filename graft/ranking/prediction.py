"""What gain to expect of a source, from what sources with such scores gained before."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graft.evaluation.bootstrap import Interval
from graft.ranking.correlation import Correlation, rank_correlation
from graft.ranking.history import LEAST, Past, Unknown, too_few

CONFIDENCE = 0.8  # the most that five studies allow: one in six falls outside of the range of the other five


@dataclass(frozen=True)
class Prediction:
    """The gain to expect, with the interval that held for about 80 % of past studies."""

    gain: Interval
    studies: int
    scores: tuple[str, ...]
    """The scores that it is read from."""


@dataclass(frozen=True)
class Record:
    """How predictions have held: each past study predicted from all others."""

    studies: int
    error: float
    """Mean absolute error of the predicted gain."""
    baseline: float
    """The same error of always saying the median gain of the others; no better than this is worth nothing."""
    order: Correlation | Unknown
    """Rank correlation of predicted with realised gains."""


def predict_gain(history: Sequence[Past], scores: Mapping[str, float]) -> Prediction | Unknown:
    """Return the gain to expect of a source with these scores, or why none can be predicted.

    For each score that five or more studies had, a line through them by Theil and Sen (the median of all slopes;
    Sen 1968), read at the new score, or at the nearest past score where the new one lies outside of all; then the
    median over scores. The interval is plus and minus the error that predictions of this very kind made when
    each past study was left out (the jackknife of Barber et al. 2021, section 1).
    """
    usable = _usable(history, scores)
    studies = [past for past in history if usable.intersection(past.scores)]
    if not usable:
        most = max((sum(name in past.scores for past in history) for name in scores), default=0)
        return too_few(most)
    gain = _predict(studies, {name: scores[name] for name in usable})
    errors = sorted(abs(past.gain - found) for past, found in zip(studies, _left_out(studies, usable), strict=True))
    reach = errors[min(math.ceil(CONFIDENCE * (len(errors) + 1)), len(errors)) - 1]
    return Prediction(Interval(gain, gain - reach, gain + reach), len(studies), tuple(sorted(usable)))


def judge(history: Sequence[Past]) -> Record | Unknown:
    """Return how predictions have held here, or why that is unknown."""
    names = {name for past in history for name in past.scores}
    usable = _usable(history, dict.fromkeys(names, 0.0))
    studies = [past for past in history if usable.intersection(past.scores)]
    if len(studies) < LEAST:
        return too_few(len(history))
    gains = np.array([past.gain for past in studies])
    predicted = np.array(_left_out(studies, usable))
    medians = np.array([np.median(np.delete(gains, place)) for place in range(len(gains))])
    return Record(
        len(studies),
        float(abs(gains - predicted).mean()),
        float(abs(gains - medians).mean()),
        rank_correlation(predicted, gains),
    )


def _usable(history: Sequence[Past], scores: Mapping[str, float]) -> set[str]:
    return {name for name in scores if sum(name in past.scores for past in history) >= LEAST}


def _left_out(studies: Sequence[Past], names: set[str]) -> list[float]:
    """Return each study's gain as the others predict it."""
    found = []
    for place, past in enumerate(studies):
        others = [*studies[:place], *studies[place + 1 :]]
        found.append(_predict(others, {name: past.scores[name] for name in names if name in past.scores}))
    return found


def _predict(studies: Sequence[Past], scores: Mapping[str, float]) -> float:
    from scipy.stats import theilslopes

    found = []
    for name, value in scores.items():
        known = [(past.scores[name], past.gain) for past in studies if name in past.scores]
        x, y = np.array(known, dtype=np.float64).T
        if np.ptp(x) == 0:
            found.append(float(np.median(y)))
            continue
        line = theilslopes(y, x)
        found.append(float(line.intercept + line.slope * np.clip(value, x.min(), x.max())))
    return float(np.median(found))
