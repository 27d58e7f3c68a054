import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from graft.transferability import SCORES, Sample, UndefinedScore
from tests.graft.transferability.samples import make_sample

leep, n_leep = SCORES["leep"], SCORES["n_leep"]
SEEDS = st.integers(0, 10_000)


def sample(probabilities, labels):
    return Sample(np.zeros((len(labels), 1)), np.asarray(labels), np.asarray(probabilities))


def direct(probabilities, labels):
    """Return LEEP by loops over rows, labels and source classes, as the paper's section 3 writes it."""
    rows, sources = probabilities.shape
    total = 0.0
    for row in range(rows):
        predicted = 0.0
        for source in range(sources):
            joint = sum(probabilities[i, source] for i in range(rows) if labels[i] == labels[row]) / rows
            marginal = sum(probabilities[i, source] for i in range(rows)) / rows
            predicted += joint / marginal * probabilities[row, source]
        total += np.log(predicted)
    return total / rows


def test_by_hand():
    """Source predictions (1, 0), (1/2, 1/2), (0, 1) with labels a, a, b.

    P(a, z) = (1 + 1/2, 0 + 1/2) / 3 = (1/2, 1/6) and P(b, z) = (0, 1/3), so P(z) = (1/2, 1/2), P(a | z) = (1, 1/3) and
    P(b | z) = (0, 2/3). The rows get 1, 1/2 + 1/6 = 2/3 and 2/3: the mean of their logs is 2/3 log 2/3.
    """
    assert leep(sample([[1, 0], [0.5, 0.5], [0, 1]], [0, 0, 1])) == pytest.approx(2 / 3 * np.log(2 / 3))


@settings(max_examples=20)
@given(seed=SEEDS, sources=st.integers(2, 7))
def test_it_is_what_the_loops_of_the_paper_give(seed, sources):
    made = make_sample(rows=14, seed=seed, source_classes=sources)
    assert leep(made) == pytest.approx(direct(made.probabilities, made.labels))


@settings(max_examples=20)
@given(seed=SEEDS)
def test_a_source_that_determines_the_label_scores_zero(seed):
    classes = np.random.default_rng(seed).integers(0, 6, 30)
    assert leep(sample(np.eye(6)[classes], classes % 2)) == pytest.approx(0, abs=1e-12)


def test_a_source_that_says_the_same_of_every_row_scores_the_entropy_of_the_labels():
    """Three of four labels are a: 3/4 log 3/4 + 1/4 log 1/4."""
    constant = np.tile([0.2, 0.3, 0.5], (4, 1))
    assert leep(sample(constant, [0, 0, 0, 1])) == pytest.approx(0.75 * np.log(0.75) + 0.25 * np.log(0.25))


@settings(max_examples=20)
@given(seed=SEEDS)
def test_it_is_never_above_zero_and_the_order_of_source_classes_does_not_matter(seed):
    made = make_sample(seed=seed)
    turned = Sample(made.features, made.labels, made.probabilities[:, ::-1])
    assert leep(turned) == pytest.approx(leep(made))
    assert leep(made) <= 0


def test_n_leep_is_leep_of_a_gaussian_mixture_on_principal_components():
    made = make_sample(rows=60, classes=3, apart=1.0)
    components = PCA(0.8, svd_solver="full").fit_transform(made.features)
    components *= np.sqrt(60 / ((made.features - made.features.mean(axis=0)) ** 2).sum())
    mixture = GaussianMixture(12, covariance_type="diag", reg_covar=1e-4, n_init=3, random_state=0)
    mixture.fit(components)
    assert n_leep(made) == pytest.approx(direct(mixture.predict_proba(components), made.labels), abs=1e-6)


def test_clusters_are_never_as_many_as_rows():
    """A cluster for each row would tell every label: features without any information must not score 0."""
    rng = np.random.default_rng(0)
    for rows in (12, 20, 60):
        assert n_leep(Sample(rng.normal(size=(rows, 30)), np.arange(rows) % 4)) < -0.3


def test_too_few_rows_for_clusters_are_said():
    found = n_leep(Sample(np.random.default_rng(0).normal(size=(7, 3)), np.arange(7) % 4))
    assert found == UndefinedScore("7 rows are too few for 4 clusters, one for each class at the least")
