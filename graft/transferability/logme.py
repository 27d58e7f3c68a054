"""LogME: the largest evidence of a Bayesian linear model for the labels, given the features."""

import numpy as np

from graft.transferability.sample import Matrix, Sample
from graft.transferability.score import Score

ITERATIONS = 200
STARTS = 33  # values of alpha / beta, over 16 decades, from the best of which the fixed point is sought
SETTLED = 1e-8  # relative change of alpha / beta at which it has converged
RANK = 1e-12  # squared singular values below this share of the largest are rounding errors
NOISE = 1e-6  # least share of the labels' square that counts as noise: a perfect fit would have infinite evidence
FAR = 1e12  # alpha / beta is kept within this factor of the squared singular values; the evidence is flat beyond


def _measure(sample: Sample) -> float:
    """Return the mean over classes of the log evidence per row.

    A label vector y in {0, 1} is modelled as N(F w, 1/beta) with w ~ N(0, 1/alpha), without a constant term. The
    fixed point of algorithm 1 of the paper: gamma = sum_i beta s_i / (alpha + beta s_i), alpha = gamma / m'm,
    beta = (n - gamma) / |F m - y|^2, with s_i the squared singular values of F and m the posterior mean. In their
    basis it depends on alpha / beta alone. Where the paper starts at 1, this starts at the best of a few values in
    units of the s_i, and so ends at the highest maximum whatever the scale of the features.
    """
    left, singular, _ = np.linalg.svd(sample.rotated, full_matrices=False)
    kept = singular**2 > RANK * singular[0] ** 2
    strengths = (singular[kept] ** 2)[:, None]
    shares = (left[:, kept].T @ sample.members) ** 2  # (directions, classes): squared parts of y along each
    rows = len(sample.labels)
    unreached = np.zeros(shares.shape[1])
    if len(shares) < rows:
        unreached = np.maximum(sample.counts - shares.sum(axis=0), NOISE * sample.counts)
    ratio = _settle(strengths, shares, unreached, rows)
    return float(_evidence(strengths, shares, unreached, rows, ratio).mean() / rows)


def _settle(strengths: Matrix, shares: Matrix, unreached: Matrix, rows: int) -> Matrix:
    """Return alpha / beta of each class (classes,) at the fixed point, or at the end towards which it runs."""
    low, high = strengths.min() / FAR, strengths.max() * FAR
    ratio = _begin(strengths, shares, unreached, rows)
    for _ in range(ITERATIONS):
        gamma = (strengths / (strengths + ratio)).sum(axis=0)
        left_over = rows - len(strengths) + (ratio / (strengths + ratio)).sum(axis=0)  # n - gamma, not by subtraction
        error, size = _fit(strengths, shares, unreached, ratio)
        above, below = gamma * error, size * left_over
        renewed = np.full_like(ratio, high)  # where the features say nothing, below is 0
        np.divide(above, below, out=renewed, where=above < high * below)
        renewed = np.maximum(renewed, low)
        if (abs(renewed - ratio) <= SETTLED * ratio).all():
            break
        ratio = renewed
    return np.asarray(ratio)


def _begin(strengths: Matrix, shares: Matrix, unreached: Matrix, rows: int) -> Matrix:
    """Return the best of some values of alpha / beta for each class: there can be more than one maximum."""
    tried = strengths.mean() * np.logspace(-8, 8, STARTS)
    found = [_evidence(strengths, shares, unreached, rows, np.full(shares.shape[1], ratio)) for ratio in tried]
    return np.asarray(tried[np.argmax(found, axis=0)])


def _fit(strengths: Matrix, shares: Matrix, unreached: Matrix, ratio: Matrix) -> tuple[Matrix, Matrix]:
    """Return |F m - y|^2 and m'm of each class."""
    error = (shares * (ratio / (strengths + ratio)) ** 2).sum(axis=0) + unreached
    return error, (shares * strengths / (strengths + ratio) ** 2).sum(axis=0)


def _evidence(strengths: Matrix, shares: Matrix, unreached: Matrix, rows: int, ratio: Matrix) -> Matrix:
    """Return log p(y | F) of each class at alpha / beta, with the beta that is best for it."""
    error, size = _fit(strengths, shares, unreached, ratio)
    noise = (error + ratio * size) / rows  # 1 / beta
    determinant = np.log1p(strengths / ratio).sum(axis=0)
    return np.asarray(-0.5 * (rows * np.log(2 * np.pi * noise) + rows + determinant))


LOGME = Score(
    name="logme",
    title="log evidence of a Bayesian linear model of the labels, per row and class",
    citation="You et al. 2021, LogME: Practical Assessment of Pre-trained Models for Transfer Learning, algorithm 1",
    values="any number",
    needs="features",
    undefined="",
    measure=_measure,
)
