import numpy as np
import pytest
from scipy.stats import norm

from graft.watch.two_sample import auc, separate


def draw(rows, shift=0.0, seed=0, dimensions=4):
    return np.random.default_rng(seed).normal(size=(rows, dimensions)) + np.eye(dimensions)[0] * shift


def test_rows_of_one_distribution_cannot_be_told_apart():
    found = [separate(draw(150, seed=2 * seed), draw(150, seed=2 * seed + 1)) for seed in range(20)]
    assert abs(np.mean([one.value for one in found]) - 0.5) < 0.03
    assert sum(one.low <= 0.5 <= one.high for one in found) >= 18
    assert not any(one.value > 0.7 for one in found)


def test_two_normal_distributions_are_told_apart_as_well_as_they_can_be():
    found = separate(draw(800, seed=1), draw(800, shift=1.0, seed=2))
    assert found.low < norm.cdf(1 / np.sqrt(2)) < found.high  # Hanley and McNeil 1982: Phi(d' / sqrt 2)
    assert found.high - found.low < 0.08


def test_the_interval_narrows_with_rows():
    few, many = (separate(draw(rows, seed=1), draw(rows, shift=1.0, seed=2)) for rows in (40, 640))
    assert few.high - few.low > 2 * (many.high - many.low)


def test_more_dimensions_than_rows_are_no_proof_of_anything():
    found = [
        separate(draw(30, seed=2 * n, dimensions=300), draw(30, seed=2 * n + 1, dimensions=300)) for n in range(10)
    ]
    assert sum(one.low < 0.5 < one.high for one in found) >= 9


def test_uneven_sets_are_compared_as_well():
    assert separate(draw(400, seed=1), draw(25, shift=4.0, seed=2)).value > 0.95


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match=r"19 and 40 rows; at least 20"):
        separate(draw(19), draw(40))


def test_ties_count_half():
    assert auc(np.zeros(3), np.zeros(4))[0] == 0.5
    assert auc(np.array([0.0, 1.0]), np.array([1.0, 2.0])) == (0.875, pytest.approx(0.03125))
