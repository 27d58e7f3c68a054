"""LEEP: how well the source's own predictions, taken as a dummy label, tell the target's labels."""

import numpy as np

from graft.transferability.sample import Matrix, Sample
from graft.transferability.score import Score

LEAST = 1e-12  # joint probability below which a source class does not occur


def _measure(sample: Sample) -> float:
    return expected_empirical_prediction(np.asarray(sample.probabilities, dtype=np.float64), sample.members)


def expected_empirical_prediction(probabilities: Matrix, members: Matrix) -> float:
    """Return the mean over rows of log sum_z P(y | z) theta(x)_z: section 3 of the paper.

    `probabilities` theta are (rows, source classes), `members` (rows, classes). P(y, z) is the mean of theta_z over
    the rows of class y, counted over all rows.
    """
    joint = members.T @ probabilities / len(members)
    occurs = joint.sum(axis=0)
    given = joint / np.where(occurs > LEAST, occurs, 1.0)  # P(y | z), (classes, source classes)
    predicted = (members * (probabilities @ given.T)).sum(axis=1)
    return float(np.log(np.clip(predicted, np.finfo(float).tiny, 1.0)).mean()) + 0.0  # no -0.0


LEEP = Score(
    name="leep",
    title="mean log likelihood of the labels, predicted from the source's own classes",
    citation="Nguyen et al. 2020, LEEP: A New Measure to Evaluate Transferability, section 3",
    values="at most 0",
    needs="probabilities",
    undefined="the source predicts no classes",
    measure=_measure,
)
