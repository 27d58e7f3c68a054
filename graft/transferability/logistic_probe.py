"""Logistic probe: a linear classifier as a trained head would be, on rows it was not fitted to."""

import numpy as np
import numpy.typing as npt

from graft.transferability.sample import Matrix, Sample
from graft.transferability.score import Score, UndefinedScore, Value

FOLDS = 5


def _measure(sample: Sample) -> Value:
    """Return the stratified cross-validated accuracy of multinomial logistic regression."""
    smallest = int(sample.counts.min())
    if smallest < 2:
        return UndefinedScore("a class has one row only; cross-validation needs two of each")
    dimensions = sample.features.shape[1]
    return float(predict_held_out(sample.centred, sample.classes, min(FOLDS, smallest), dimensions).mean())


def predict_held_out(
    centred: Matrix, classes: npt.NDArray[np.int64], folds: int, dimensions: int, balanced: bool = False
) -> npt.NDArray[np.bool_]:
    """Return whether each row (rows,) is predicted rightly by the fit to the folds that it is not in.

    Features are scaled as a whole, to a mean square of 1 for each of their `dimensions`, so that the penalty (C = 1)
    means the same for every network while directions keep their relative sizes. `balanced` lets classes count equally.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    scaled = centred * np.sqrt(len(centred) * dimensions / (centred**2).sum())
    probe = LogisticRegression(C=1.0, max_iter=1000, tol=1e-5, class_weight="balanced" if balanced else None)
    parts = StratifiedKFold(folds, shuffle=True, random_state=0)
    return np.asarray(cross_val_predict(probe, scaled, classes, cv=parts) == classes)


LOGISTIC_PROBE = Score(
    name="logistic_probe",
    title="cross-validated accuracy of logistic regression",
    citation="Alain and Bengio 2016, Understanding intermediate layers using linear classifier probes",
    values="0 to 1",
    needs="features",
    undefined="a class with one row",
    measure=_measure,
)
