import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from graft.transferability import SCORES, Sample
from tests.graft.transferability.samples import make_sample

logme = SCORES["logme"]


def largest_evidence(features, y):
    """Return max over alpha, beta of log N(y; 0, I / beta + F F' / alpha), by search: no fixed point, no SVD.

    For a given alpha / beta the best 1 / beta is y' C^-1 y / n, with C = I + F F' beta / alpha.
    """

    def negative(log_ratio):
        covariance = np.eye(len(y)) + features @ features.T / np.exp(log_ratio)
        noise = y @ np.linalg.solve(covariance, y) / len(y)
        return 0.5 * (len(y) * np.log(2 * np.pi * noise) + len(y) + np.linalg.slogdet(covariance)[1])

    grid = np.linspace(-16, 16, 65)
    best = grid[np.argmin([negative(point) for point in grid])]
    return -minimize_scalar(negative, bounds=(best - 0.6, best + 0.6), method="bounded").fun


def test_by_hand():
    """Three rows of one feature, F = (1, 0, 0), with labels a, a, b; n = 3, the one squared singular value is 1.

    Class a, y = (1, 1, 0): with t = alpha / beta, gamma = 1 / (1 + t), m'm = 1 / (1 + t)^2 and
    |F m - y|^2 = t^2 / (1 + t)^2 + 1. So alpha = gamma / m'm = 1 + t and
    beta = (3 - gamma) / |F m - y|^2 = (2 + 3 t) (1 + t) / (2 t^2 + 2 t + 1); alpha / beta = t gives t^2 = 1.
    At t = 1: alpha = beta = 2, m'm = 1/4, |F m - y|^2 = 5/4, log |A| = log(alpha + beta) = log 4, and
    log p = 3/2 log 2 + 1/2 log 2 - 3/2 log 2 pi - 5/4 - 1/4 - 1/2 log 4 = log 2 - 3/2 log 2 pi - 3/2.

    Class b, y = (0, 0, 1): the feature says nothing, alpha grows without end and what is left is noise,
    beta = n / |y|^2 = 3 and log p = 3/2 log 3 - 3/2 log 2 pi - 3/2.
    """
    a = np.log(2) - 1.5 * np.log(2 * np.pi) - 1.5
    b = 1.5 * np.log(3) - 1.5 * np.log(2 * np.pi) - 1.5
    found = logme(Sample(np.array([[1.0], [0.0], [0.0]]), np.array([0, 0, 1])))
    assert found == pytest.approx((a + b) / 2 / 3, abs=1e-9)


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), dimensions=st.sampled_from([2, 6, 30]), apart=st.sampled_from([0.0, 0.3, 2.0]))
def test_the_fixed_point_is_where_a_search_finds_the_largest_evidence(seed, dimensions, apart):
    sample = make_sample(rows=15, dimensions=dimensions, classes=2, apart=apart, seed=seed)
    slow = [largest_evidence(sample.features, (sample.labels == one).astype(float)) for one in (0, 1)]
    assert logme(sample) == pytest.approx(np.mean(slow) / 15, abs=1e-5)


def test_labels_that_are_a_linear_function_of_the_features_have_a_finite_score():
    labels = np.arange(12) % 3
    perfect = logme(Sample(np.eye(3)[labels], labels))
    noisy = logme(Sample(np.eye(3)[labels] + 0.1 * np.random.default_rng(0).normal(size=(12, 3)), labels))
    assert noisy < perfect < 20
