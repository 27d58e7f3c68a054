"""Proxy A-distance: how easily source and target rows are told apart by their frozen features."""

import numpy as np
import numpy.typing as npt

from graft.transferability.logistic_probe import FOLDS, predict_held_out
from graft.transferability.sample import Sample
from graft.transferability.score import UndefinedScore, Value

MOST_ROWS = 200  # of each side: enough to tell domains apart, and a fraction of a second in 4,000 dimensions


def a_distance(source: npt.NDArray[np.floating], target: npt.NDArray[np.floating]) -> Value:
    """Return 2 (1 - 2 err) of features (rows, dimensions) of both domains: 0 if no difference is seen, 2 at the most.

    Not a score: nearer is lower, and it reads no labels. err is the held-out error of logistic regression that tells
    the domains apart (Ben-David et al. 2006, Analysis of Representations for Domain Adaptation; 2010, A Theory of
    Learning from Different Domains), the mean of both sides' errors, because the sides differ in size. Above one
    half it counts as one half.
    """
    sides = [_draw(rows) for rows in (source, target)]
    if min(map(len, sides)) < 2:
        return UndefinedScore(f"{len(source)} source and {len(target)} target rows; at least two of each are needed")
    domains = np.repeat([0, 1], [len(side) for side in sides])
    sample = Sample(np.concatenate(sides), domains)
    if sample.feature_fault:
        return UndefinedScore(sample.feature_fault)
    folds = min(FOLDS, int(sample.counts.min()))
    right = predict_held_out(sample.centred, domains, folds, sample.features.shape[1], balanced=True)
    error = 1 - np.mean([right[domains == side].mean() for side in (0, 1)])
    return float(2 * (1 - 2 * min(error, 0.5)))


def _draw(rows: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    if len(rows) <= MOST_ROWS:
        return rows
    return rows[np.sort(np.random.default_rng(0).permutation(len(rows))[:MOST_ROWS])]
