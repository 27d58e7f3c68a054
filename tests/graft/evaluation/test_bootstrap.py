import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.evaluation.bootstrap import Interval, compare, estimate


def test_interval_covers_the_true_gain_about_as_often_as_it_claims() -> None:
    rng = np.random.default_rng(0)
    runs, covered = 200, 0
    for run in range(runs):
        hard = rng.random(300)  # examples shared by both models make their scores correlated
        ours, theirs = (hard < 0.8) ^ (rng.random((2, 300)) < 0.1), (hard < 0.7) ^ (rng.random((2, 300)) < 0.1)
        gain = compare(ours, theirs, resamples=400, seed=run).gain
        covered += gain.low <= 0.08 <= gain.high  # (0.8 - 0.7) x (1 - 2 x 0.1)
    assert 0.90 <= covered / runs <= 0.99


def test_one_model_alone_has_the_interval_it_has_beside_another() -> None:
    rng = np.random.default_rng(2)
    scores = rng.random((3, 200)) < 0.7
    assert estimate(scores, seed=4) == compare(scores, scores, seed=4).ours
    assert estimate(scores).value == pytest.approx(scores.mean())
    assert estimate(scores).low < scores.mean() < estimate(scores).high


def test_pairing_narrows_the_interval_of_models_that_err_on_the_same_examples() -> None:
    hard = np.random.default_rng(1).random((1, 500))
    ours, theirs = hard < 0.80, hard < 0.75
    paired = compare(ours, theirs).gain
    unpaired = compare(ours, np.roll(theirs, 250, axis=1)).gain
    assert paired.high - paired.low < 0.7 * (unpaired.high - unpaired.low)


def test_seeds_that_disagree_widen_the_interval() -> None:
    ours = np.ones((2, 400))
    steady, torn = np.zeros((2, 400)), np.stack([np.zeros(400), np.ones(400)])
    steady[:, ::2] = 1
    assert compare(ours, steady).gain.low > 0.4
    assert compare(ours, torn).gain.low == 0
    assert compare(ours, torn).gain.high == 1


def test_equal_models_gain_nothing_with_an_interval_of_zero_width() -> None:
    right = np.random.default_rng(2).random((1, 50)) < 0.6
    assert compare(right, right).gain == Interval(0, 0, 0)


def test_one_right_of_four_gives_the_quantiles_of_the_binomial() -> None:
    found = compare([[1, 0, 0, 0]], [[0, 0, 0, 0]], resamples=20_000, confidence=0.9).ours
    # Binomial(4, 1/4): P(0) = 0.316 > 0.05, P(<= 2) = 0.949 < 0.95 <= P(<= 3)
    assert found == Interval(0.25, 0.0, 0.75)


def test_any_score_will_do_and_arms_may_have_different_numbers_of_seeds() -> None:
    rng = np.random.default_rng(3)
    found = compare(rng.normal(2, 1, (3, 200)), rng.normal(1, 1, (1, 200)))
    assert found.gain.low < 1 < found.gain.high
    assert found.gain.value == pytest.approx(found.ours.value - found.theirs.value)


def test_the_same_seed_gives_the_same_interval() -> None:
    rng = np.random.default_rng(4)
    ours, theirs = rng.random((2, 40)), rng.random((2, 40))
    assert compare(ours, theirs, seed=5) == compare(ours, theirs, seed=5)
    assert compare(ours, theirs, seed=5) != compare(ours, theirs, seed=6)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_swapping_the_arms_mirrors_the_observed_gain(rows: list[tuple[bool, bool]]) -> None:
    ours, theirs = np.array(rows).T
    there, back = compare([ours], [theirs], resamples=100).gain, compare([theirs], [ours], resamples=100).gain
    assert there.value == -back.value
    assert there.low <= there.high


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        ([[1, 0]], [[1, 0, 1]], "found 2 and 3"),
        ([1, 0], [[1, 0]], r"ours: expected scores of shape \(seeds, examples\)"),
        ([[1, 0]], [[1, float("nan")]], "theirs: 1 scores are NaN"),
        (np.empty((2, 0)), np.empty((2, 0)), "ours: expected scores"),
    ],
)
def test_scores_that_cannot_be_paired_are_refused(ours: object, theirs: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compare(ours, theirs)  # type: ignore[arg-type]
