import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.transferability import SCORES, Sample
from tests.graft.transferability.samples import make_sample

transrate = SCORES["transrate"]
SEEDS = st.integers(0, 10_000)


def published(features, labels, eps=1e-4):
    """Return the score as the paper's own listing computes it, for centred features; classes weigh by their rows."""

    def rate(rows):
        count, dimensions = rows.shape
        return 0.5 * np.linalg.slogdet(np.eye(dimensions) + rows.T @ rows / (count * eps))[1]

    scaled = features / np.sqrt(np.trace(features @ features.T))
    parts = [scaled[labels == one] for one in np.unique(labels)]
    return rate(scaled) - sum(len(part) / len(labels) * rate(part) for part in parts)


def test_by_hand():
    """Class a along one axis, (+-1, 0), class b along the other, (0, +-1): tr Z'Z = 4, so every entry becomes 1/2.

    All rows: Z'Z / (n eps) = diag(1/2, 1/2) / 4e-4 = diag(1250, 1250) and R = log 1251.
    A class: diag(1/2, 0) / 2e-4 = diag(2500, 0) and R = 1/2 log 2501.
    """
    sample = Sample(np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]]), np.array([0, 0, 1, 1]))
    assert transrate(sample) == pytest.approx(np.log(1251) - 0.5 * np.log(2501))


@settings(max_examples=20)
@given(seed=SEEDS, dimensions=st.sampled_from([2, 12, 70]), unbalanced=st.booleans())
def test_it_is_what_the_published_listing_gives(seed, dimensions, unbalanced):
    sample = make_sample(rows=24, dimensions=dimensions, seed=seed)
    if unbalanced:
        sample = Sample(sample.features, np.where(np.arange(24) < 12, 0, sample.labels))
    centred = sample.features - sample.features.mean(axis=0)
    assert transrate(sample) == pytest.approx(published(centred, sample.labels))


@settings(max_examples=20)
@given(seed=SEEDS, classes=st.integers(2, 6))
def test_it_is_never_negative_however_unbalanced_the_classes_are(seed, classes):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([[0, 0], rng.integers(0, classes, 20), [1]])
    assert transrate(Sample(rng.normal(size=(23, 8)), labels)) >= -1e-9


def test_classes_with_equal_second_moments_score_zero():
    """Features (1, 1 | -1, -1): from the common mean both classes look alike to a coding rate."""
    sample = Sample(np.array([[1.0], [1], [-1], [-1]]), np.array([0, 0, 1, 1]))
    assert transrate(sample) == pytest.approx(0, abs=1e-12)
