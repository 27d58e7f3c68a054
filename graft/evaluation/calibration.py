"""Calibration: do probabilities mean what they say, before and after temperature scaling."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
BINS = 15  # the usual number since Guo et al. 2017
TEMPERATURES = (0.05, 20.0)


@dataclass(frozen=True)
class Bin:
    """One bin of a reliability diagram: mean confidence and share of right answers of its rows."""

    low: float
    high: float
    rows: int
    confidence: float
    accuracy: float


def softmax(logits: npt.ArrayLike, temperature: float = 1.0) -> Array:
    """Return probabilities of logits (..., classes) divided by `temperature`."""
    return np.asarray(np.exp(_log_softmax(np.asarray(logits, dtype=np.float64) / temperature)))


def expected_calibration_error(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Return the expected calibration error over 15 equal-width bins (Naeini et al. 2015), from 0 to 1."""
    import torch
    from torchmetrics.functional.classification import multiclass_calibration_error

    given = torch.tensor(np.asarray(probabilities, dtype=np.float64))
    truth = torch.tensor(np.asarray(labels, dtype=np.int64))
    return float(multiclass_calibration_error(given, truth, num_classes=given.shape[1], n_bins=BINS, norm="l1"))


def brier_score(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Return the mean squared distance of probabilities (rows, classes) from the truth, from 0 to 2 (Brier 1950)."""
    from sklearn.metrics import brier_score_loss

    given = np.asarray(probabilities, dtype=np.float64)
    return float(brier_score_loss(labels, given, labels=range(given.shape[1]), scale_by_half=False))


def reliability(probabilities: npt.ArrayLike, labels: npt.ArrayLike) -> list[Bin]:
    """Return the bins that hold any row, by rising confidence."""
    given = np.asarray(probabilities, dtype=np.float64)
    confidence, right = given.max(axis=1), given.argmax(axis=1) == np.asarray(labels)
    edges = np.linspace(0, 1, BINS + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="right") - 1, 0, BINS - 1)
    bins = []
    for index in np.unique(place):
        rows = place == index
        mean, accuracy = float(confidence[rows].mean()), float(right[rows].mean())
        bins.append(Bin(float(edges[index]), float(edges[index + 1]), int(rows.sum()), mean, accuracy))
    return bins


def fit_temperature(logits: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Return the temperature with the least negative log-likelihood (Guo et al. 2017, section 4.2).

    Fit on validation or out-of-fold logits (rows, classes), never on test. When every row is predicted
    right the likelihood grows without end as the temperature falls, so the labels are smoothed as if one
    more row had been seen with every label at once (Platt 1999, section 2.2). No rows: 1.
    """
    from scipy.optimize import minimize_scalar

    values, truth = np.asarray(logits, dtype=np.float64), np.asarray(labels, dtype=np.int64)
    if len(values) == 0:
        return 1.0
    rows, classes = values.shape
    wanted = (np.eye(classes)[truth] * rows + 1 / classes) / (rows + 1)

    def loss(log_temperature: float) -> float:
        return -float((wanted * _log_softmax(values / np.exp(log_temperature))).sum(axis=1).mean())

    low, high = TEMPERATURES
    found = minimize_scalar(loss, bounds=(np.log(low), np.log(high)), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def _log_softmax(logits: Array) -> Array:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))
