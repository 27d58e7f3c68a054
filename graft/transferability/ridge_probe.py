"""Ridge probe: a linear classifier by least squares, each row predicted by the fit to all others."""

import numpy as np

from graft.transferability.sample import Sample
from graft.transferability.score import Score

PENALTIES = np.logspace(-4, 2, 13)  # as shares of the features' sum of squares


def _measure(sample: Sample) -> float:
    """Return the leave-one-out accuracy of ridge regression on the classes, each as +1 against -1.

    In closed form: the error on a row that is left out is e_i / (1 - h_ii) (Allen 1974, PRESS). The penalty is the one
    with the least squared error so found; choosing it by the accuracy itself would flatter the score.

    Not by RidgeClassifierCV: with two classes and an accuracy for its score, scikit-learn 1.9 reports 1.0 always.
    """
    from sklearn.linear_model import RidgeCV

    penalties = PENALTIES * (sample.centred**2).sum()
    probe = RidgeCV(penalties, scoring="neg_mean_squared_error", store_cv_results=True)
    probe.fit(sample.centred, 2 * sample.members - 1)
    held = probe.cv_results_[:, :, int(np.argmin(abs(penalties - probe.alpha_)))]  # (rows, classes), left out
    return float((held.argmax(axis=1) == sample.classes).mean())


RIDGE_PROBE = Score(
    name="ridge_probe",
    title="leave-one-out accuracy of a linear classifier by least squares",
    citation="Hastie, Tibshirani and Friedman 2009, The Elements of Statistical Learning, section 7.10.1",
    values="0 to 1",
    needs="features",
    undefined="",
    measure=_measure,
)
