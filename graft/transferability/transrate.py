"""TransRate: how many more bits the features of all rows need than those of each class alone."""

import numpy as np

from graft.transferability.sample import Matrix, Sample
from graft.transferability.score import Score

DISTORTION = 1e-4  # eps of the paper, for features whose squares add up to 1


def _measure(sample: Sample) -> float:
    """Return R(Z) - sum_c n_c / n R(Z_c) in nats, with the coding rate R(Z) = 1/2 log det(I + Z'Z / (n eps)).

    Features are centred, then scaled to tr(Z'Z) = 1: in this order a shift changes nothing. Classes weigh by their
    rows, which is the paper's mean where they are balanced; so weighted, the score is never negative.
    """
    scaled = sample.centred / np.linalg.norm(sample.centred)
    parts = [_coding_rate(scaled[sample.classes == one]) for one in range(len(sample.counts))]
    return float(_coding_rate(scaled) - sample.counts @ np.array(parts) / len(scaled))


def _coding_rate(rows: Matrix) -> float:
    singular = np.linalg.svd(rows, compute_uv=False)
    return float(0.5 * np.log1p(singular**2 / (len(rows) * DISTORTION)).sum())


TRANSRATE = Score(
    name="transrate",
    title="coding rate of all features less that within classes, in nats",
    citation="Huang et al. 2022, Frustratingly Easy Transferability Estimation",
    values="at least 0",
    needs="features",
    undefined="",
    measure=_measure,
)
