import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from graft.transferability import SCORES, Sample, UndefinedScore, a_distance
from graft.transferability.logistic_probe import predict_held_out
from graft.transferability.ridge_probe import PENALTIES
from tests.graft.transferability.samples import make_sample

knn, ridge, logistic = (SCORES[name] for name in ("knn", "ridge_probe", "logistic_probe"))
SEEDS = st.integers(0, 10_000)
quick = settings(max_examples=8)


def test_nearest_neighbours_by_hand():
    """Labels a at 0 and 1, b at 2.5, 10 and 11; class a has one other row, so one neighbour votes.

    2.5 is nearest to 1 and so wrong; the other four are right.
    """
    features = np.array([[0.0], [1.0], [2.5], [10.0], [11.0]])
    assert knn(Sample(features, np.array([0, 0, 1, 1, 1]))) == pytest.approx(4 / 5)


@settings(max_examples=20)
@given(seed=SEEDS, rows=st.sampled_from([8, 15, 40]))
def test_neighbours_vote_without_the_row_itself_and_the_nearer_wins_a_tie(seed, rows):
    sample = make_sample(rows=rows, apart=0.5, seed=seed)
    count = min(5, np.bincount(sample.labels).min() - 1)
    right = 0
    for row in range(rows):
        distance = [np.linalg.norm(sample.features[row] - other) for other in sample.features]
        near = sorted((i for i in range(rows) if i != row), key=lambda i: distance[i])[:count]
        votes = [int(sample.labels[i]) for i in near]
        winner = max(votes, key=lambda label: (votes.count(label), -votes.index(label)))
        right += winner == sample.labels[row]
    assert knn(sample) == pytest.approx(right / rows)


def fit_and_predict(rows, targets, row, penalty):
    """Return ridge regression's prediction for a row, by its normal equations; the constant is not penalised."""
    middle = rows.mean(axis=0)
    inner = (rows - middle).T @ (rows - middle) + penalty * np.eye(rows.shape[1])
    weights = np.linalg.solve(inner, (rows - middle).T @ (targets - targets.mean(axis=0)))
    return targets.mean(axis=0) + (row - middle) @ weights


@quick
@given(seed=SEEDS, dimensions=st.sampled_from([3, 40]), classes=st.sampled_from([2, 4]))
def test_the_ridge_probe_is_a_fit_to_all_other_rows_for_each_row(seed, dimensions, classes):
    sample = make_sample(rows=14, dimensions=dimensions, classes=classes, apart=0.7, seed=seed)
    centred = sample.features - sample.features.mean(axis=0)
    targets = 2 * np.eye(classes)[sample.labels] - 1
    errors, accuracies = [], []
    for penalty in PENALTIES * (centred**2).sum():
        held = np.empty_like(targets)
        for row in range(14):
            others = np.arange(14) != row
            held[row] = fit_and_predict(centred[others], targets[others], centred[row], penalty)
        errors.append(((held - targets) ** 2).mean())
        accuracies.append((held.argmax(axis=1) == sample.labels).mean())
    assert ridge(sample) == pytest.approx(accuracies[int(np.argmin(errors))])


@pytest.mark.parametrize("dimensions", [3, 90])
def test_the_logistic_probe_is_a_plain_one_on_all_dimensions(dimensions):
    """Of 120 rows one may differ: one on the border falls on either side."""
    differing = 0
    for seed in range(4):
        sample = make_sample(rows=30, dimensions=dimensions, apart=0.3, seed=seed)
        centred = sample.features - sample.features.mean(axis=0)
        scaled = centred / np.sqrt((centred**2).mean())
        right = np.zeros(30, bool)
        for kept, held in StratifiedKFold(5, shuffle=True, random_state=0).split(scaled, sample.labels):
            probe = LogisticRegression(C=1.0, max_iter=1000, tol=1e-6).fit(scaled[kept], sample.labels[kept])
            right[held] = probe.predict(scaled[held]) == sample.labels[held]
        found = predict_held_out(sample.centred, sample.classes, 5, dimensions)
        assert logistic(sample) == pytest.approx(found.mean())
        differing += (found != right).sum()
    assert differing <= 1


def test_a_class_with_one_row_cannot_be_cross_validated():
    sample = make_sample(rows=13, classes=3)
    labels = np.where(np.arange(13) == 0, 3, sample.labels)
    assert logistic(Sample(sample.features, labels)) == UndefinedScore(
        "a class has one row only; cross-validation needs two of each"
    )
    assert isinstance(knn(Sample(sample.features, labels)), float)


def test_probes_find_no_more_than_chance_in_noise():
    """Balanced classes of pure noise: left-out rows must not be told better than by chance, 1/2."""
    rng = np.random.default_rng(0)
    for score in (knn, ridge, logistic):
        found = [score(Sample(rng.normal(size=(40, 60)), np.arange(40) % 2)) for _ in range(12)]
        assert np.mean(found) < 0.58


def test_domains_that_a_line_separates_are_at_distance_two():
    rng = np.random.default_rng(0)
    assert a_distance(rng.normal(size=(50, 4)), rng.normal(size=(20, 4)) + 30) == pytest.approx(2.0)


def test_rows_of_one_distribution_are_at_distance_zero_though_sides_differ_in_size():
    rng = np.random.default_rng(0)
    found = [a_distance(rng.normal(size=(180, 6)), rng.normal(size=(20, 6))) for _ in range(8)]
    assert np.mean(found) < 0.35
    assert min(found) == 0.0


def test_few_rows_against_many_are_seen_as_far_away_as_few_against_few():
    """Unbalanced, a classifier would call every row one of the many, and the distance would be 0."""
    rng = np.random.default_rng(0)
    few = np.mean([a_distance(rng.normal(size=(20, 3)), rng.normal(size=(20, 3)) + 1) for _ in range(8)])
    many = np.mean([a_distance(rng.normal(size=(200, 3)), rng.normal(size=(20, 3)) + 1) for _ in range(8)])
    assert abs(few - many) < 0.3
    assert many > 0.9


def test_the_distance_by_hand():
    """Source rows 0, 0, 0, 0, 10 and target rows 10, 10, 10, 10, 0: one row in five lies on the other side's place.

    A threshold between errs on one row of five of each side, wherever the folds are: 2 (1 - 2 / 5) = 1.2.
    """
    source, target = np.array([[0.0], [0], [0], [0], [10]]), np.array([[10.0], [10], [10], [10], [0]])
    assert a_distance(source, target) == pytest.approx(1.2)


def test_the_distance_grows_with_the_shift():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(100, 5)), rng.normal(size=(40, 5))
    found = [a_distance(source, target + shift) for shift in (0.0, 0.5, 1.0, 3.0)]
    assert found == sorted(found)
    assert 0 <= found[0] < found[-1] <= 2


def test_a_distance_that_cannot_be_measured_says_why():
    rows = np.random.default_rng(0).normal(size=(9, 3))
    assert a_distance(rows, rows[:1]) == UndefinedScore("9 source and 1 target rows; at least two of each are needed")
    assert "NaN" in a_distance(rows, rows * np.nan).reason
    assert "same for every row" in a_distance(rows * 0, rows * 0).reason
