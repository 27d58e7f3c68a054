"""How well a score has ordered the gains of past studies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graft.evaluation.bootstrap import Interval
from graft.ranking.history import LEAST, Past, Unknown, too_few

Values = npt.NDArray[np.float64]
RESAMPLES, CONFIDENCE = 1000, 0.95


@dataclass(frozen=True)
class Correlation:
    """Rank correlation of a score, or of a prediction, with the gain; 1 is the same order, 0 none, -1 the reverse."""

    studies: int
    spearman: Interval
    kendall: Interval


def correlate(history: Sequence[Past], score: str) -> Correlation | Unknown:
    """Return how well a score ordered the gains of the studies that had it, or why that is unknown."""
    pairs = [(past.scores[score], past.gain) for past in history if score in past.scores]
    if len(pairs) < LEAST:
        return too_few(len(pairs))
    first, second = np.array(pairs, dtype=np.float64).T
    return rank_correlation(first, second)


def rank_correlation(first: Values, second: Values) -> Correlation | Unknown:
    """Return Spearman's rho and Kendall's tau-b of paired values, with 95 % intervals, or why there are none.

    The intervals are percentiles over 1,000 draws of whole pairs (Efron and Tibshirani 1993, chapter 13). With a
    handful of studies they are wide, and should be.
    """
    from scipy.stats import kendalltau, spearmanr

    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return Unknown(f"all {len(first)} studies have the same {'score' if np.ptp(first) == 0 else 'gain'}")
    draws = np.random.default_rng(0).integers(len(first), size=(RESAMPLES, len(first)))
    return Correlation(
        len(first),
        _interval(float(spearmanr(first, second).statistic), first[draws], second[draws], spearman_rows),
        _interval(float(kendalltau(first, second).statistic), first[draws], second[draws], kendall_rows),
    )


def spearman_rows(first: Values, second: Values) -> Values:
    """Return Spearman's rho of each row of (draws, pairs); NaN where a row is constant."""
    from scipy.stats import rankdata

    ranks = [rankdata(side, axis=1) for side in (first, second)]
    return _cosine(*(side - side.mean(axis=1, keepdims=True) for side in ranks))


def kendall_rows(first: Values, second: Values) -> Values:
    """Return Kendall's tau-b of each row of (draws, pairs); NaN where a row is constant."""
    above = np.triu_indices(first.shape[1], k=1)
    signs = [np.sign(side[:, above[0]] - side[:, above[1]]) for side in (first, second)]
    return _cosine(*signs)


def _cosine(first: Values, second: Values) -> Values:
    sizes = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    products = (first * second).sum(axis=1)
    return np.asarray(np.divide(products, sizes, out=np.full(len(first), np.nan), where=sizes > 0))


def _interval(value: float, first: Values, second: Values, measure: Callable[[Values, Values], Values]) -> Interval:
    drawn = measure(first, second)
    drawn = drawn[np.isfinite(drawn)]  # a draw of one study over and over has no order
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(value, float(low), float(high))
