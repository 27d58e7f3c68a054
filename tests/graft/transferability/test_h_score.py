import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf

from graft.transferability import SCORES, Sample
from graft.transferability.h_score import h_score
from tests.graft.transferability.samples import make_sample

SEEDS = st.integers(0, 10_000)


def direct(sample, covariance, shrinkage):
    """Return tr(S^-1 (1 - a) B) with every matrix formed."""
    means = np.array([sample.features[sample.labels == label].mean(axis=0) for label in sample.labels])
    between = np.cov(means, rowvar=False, bias=True)
    return np.trace(np.linalg.inv(covariance) @ ((1 - shrinkage) * np.atleast_2d(between)))


def test_by_hand_in_one_dimension():
    """Features 0, 1 | 3, 4: variance (4 + 1 + 1 + 4) / 4 = 2.5, class means 0.5 and 3.5 around 2: 1.5^2 = 2.25."""
    sample = Sample(np.array([[0.0], [1.0], [3.0], [4.0]]), np.array([0, 0, 1, 1]))
    assert SCORES["h_score"](sample) == pytest.approx(2.25 / 2.5)


def test_by_hand_with_shrinkage():
    """Rows (1, +-2) | (-1, +-2): cov = diag(1, 4), its mean variance 2.5, between classes diag(1, 0).

    Shrunk by one half: S = diag(0.5 + 1.25, 2 + 1.25), and the score is 0.5 * 1 / 1.75 = 2/7.
    """
    sample = Sample(np.array([[1.0, 2], [1, -2], [-1, 2], [-1, -2]]), np.array([0, 0, 1, 1]))
    assert h_score(sample, shrinkage=0.5) == pytest.approx(2 / 7)


@settings(max_examples=20)
@given(seed=SEEDS, dimensions=st.sampled_from([2, 12, 70]), rows=st.sampled_from([9, 40]))
def test_the_shrinkage_is_that_of_ledoit_and_wolf(seed, dimensions, rows):
    sample = make_sample(rows=rows, dimensions=dimensions, seed=seed)
    fitted = LedoitWolf().fit(sample.features)
    assert SCORES["h_score"](sample) == pytest.approx(direct(sample, fitted.covariance_, fitted.shrinkage_), abs=1e-9)


@settings(max_examples=20)
@given(seed=SEEDS)
def test_without_shrinkage_an_invertible_map_of_the_features_changes_nothing(seed):
    sample = make_sample(seed=seed)
    stretch = np.random.default_rng(seed).normal(size=(12, 12)) + 4 * np.eye(12)
    mapped = Sample(sample.features @ stretch, sample.labels)
    assert h_score(mapped, shrinkage=0.0) == pytest.approx(h_score(sample, shrinkage=0.0), abs=1e-6)


def test_shrinkage_fades_with_the_number_of_rows():
    few, many = (make_sample(rows=rows, dimensions=4) for rows in (12, 3000))
    assert abs(h_score(many) - h_score(many, shrinkage=0.0)) < 0.01 < abs(h_score(few) - h_score(few, shrinkage=0.0))


@settings(max_examples=20)
@given(seed=SEEDS, apart=st.sampled_from([0.0, 1.0, 50.0]))
def test_it_lies_between_zero_and_the_number_of_classes_less_one(seed, apart):
    for shrinkage in (None, 0.0, 1.0):
        assert 0 <= h_score(make_sample(seed=seed, apart=apart), shrinkage) <= 2 + 1e-9


def test_classes_without_spread_of_their_own_reach_the_most_there_is():
    labels = np.arange(30) % 3
    assert h_score(Sample(np.eye(3)[labels], labels), shrinkage=0.0) == pytest.approx(2)
