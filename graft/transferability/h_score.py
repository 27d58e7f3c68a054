"""H-score with shrinkage: how much of the features' variance lies between classes, in their own units."""

import numpy as np

from graft.transferability.sample import Matrix, Sample
from graft.transferability.score import Score


def _measure(sample: Sample) -> float:
    return h_score(sample)


def h_score(sample: Sample, shrinkage: float | None = None) -> float:
    """Return tr(S^-1 (1 - a) B): S = (1 - a) cov(f) + a (tr cov(f) / d) I, and B is the covariance of the class means.

    The shrinkage a is that of Ledoit and Wolf (2004) unless one is given. Both covariances divide by the number of
    rows, so the score is at most classes - 1. S^-1 is never formed: in the basis of the features' singular vectors
    it is diagonal.
    """
    rows, dimensions = sample.features.shape
    left, singular, _ = np.linalg.svd(sample.centred, full_matrices=False)
    spread = singular**2 / rows
    share = ledoit_wolf_shrinkage(left, spread, dimensions) if shrinkage is None else shrinkage
    kept = spread > 1e-12 * spread[0]
    between = ((left.T @ sample.members) ** 2 / sample.counts).sum(axis=1)  # share of each direction between classes
    shrunk = (1 - share) * spread + share * spread.sum() / dimensions
    return float(((1 - share) * spread * between)[kept] @ (1 / shrunk[kept]))


def ledoit_wolf_shrinkage(left: Matrix, spread: Matrix, dimensions: int) -> float:
    """Return the shrinkage of Ledoit and Wolf (2004), section 3, of rows given by their singular vectors.

    The same number as `sklearn.covariance.ledoit_wolf_shrinkage` of the centred features, which takes over a second for
    4,096 dimensions: it forms the covariance, although its squared norm is that of the rows' inner products.
    """
    rows = len(left)
    squared = (spread**2).sum()  # |cov|^2
    fourth = (((left**2) @ (rows * spread)) ** 2).sum()  # sum over rows of |x|^4
    error = (fourth / rows - squared) / rows
    distance = squared - spread.sum() ** 2 / dimensions
    return float(min(error, distance) / distance) if distance > 1e-12 * squared else 0.0


H_SCORE = Score(
    name="h_score",
    title="variance between classes in units of the features' shrunk covariance",
    citation="Ibrahim et al. 2022, Newer is not always better (shrinkage), after Bao et al. 2019 (H-score)",
    values="0 to classes − 1",
    needs="features",
    undefined="",
    measure=_measure,
)
