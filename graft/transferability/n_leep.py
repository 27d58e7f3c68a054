"""N-LEEP: LEEP with clusters of the features in place of the source's classes, so that any source has it."""

import warnings

import numpy as np

from graft.transferability.leep import expected_empirical_prediction
from graft.transferability.sample import Matrix, Sample
from graft.transferability.score import Score, UndefinedScore, Value

ENERGY = 0.8  # share of the variance that the principal components keep, as in the paper
CLUSTERS_PER_CLASS = 5  # as in the paper, where rows allow it:
ROWS_PER_CLUSTER = 5  # a cluster for each row would tell every label, and the score would be 0 for any features


def _measure(sample: Sample) -> Value:
    """Return LEEP of the clusters' probabilities, the clusters being a Gaussian mixture of the principal components.

    The Gaussians have diagonal covariance: a full one needs more rows in each cluster than there are components.
    """
    rows, classes = len(sample.labels), len(sample.counts)
    clusters = min(CLUSTERS_PER_CLASS * classes, max(classes, rows // ROWS_PER_CLUSTER))
    if rows < 2 * clusters:
        return UndefinedScore(f"{rows} rows are too few for {clusters} clusters, one for each class at the least")
    return expected_empirical_prediction(_cluster(_reduce(sample), clusters), sample.members)


def _reduce(sample: Sample) -> Matrix:
    """Return the first principal components, scaled to a total variance of 1: (rows, components)."""
    left, singular, _ = np.linalg.svd(sample.centred, full_matrices=False)
    left = left * np.sign(left[abs(left).argmax(axis=0), np.arange(left.shape[1])])  # the sign of a direction is chance
    energy = np.cumsum(singular**2) / (singular**2).sum()
    kept = int(np.searchsorted(energy, ENERGY)) + 1
    return np.asarray(left[:, :kept] * singular[:kept] * np.sqrt(len(left) / (singular**2).sum()))


def _cluster(components: Matrix, clusters: int) -> Matrix:
    """Return the probability of each cluster for each row."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(clusters, covariance_type="diag", reg_covar=1e-4, n_init=3, random_state=0)
    with warnings.catch_warnings():
        # Fewer distinct rows than clusters, or 100 rounds that did not settle: the clusters are still usable.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return np.asarray(mixture.fit(components).predict_proba(components))


N_LEEP = Score(
    name="n_leep",
    title="mean log likelihood of the labels, predicted from clusters of the features",
    citation="Li et al. 2021, Ranking Neural Checkpoints",
    values="at most 0",
    needs="features",
    undefined="fewer than two rows for each class",
    measure=_measure,
)
