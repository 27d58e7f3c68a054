import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graft.evaluation.bootstrap import compare, estimate
from graft.problems.grades import Grades
from graft.problems.pooled import Pooled


def test_a_rate_is_the_ratio_of_sums_and_not_the_mean_of_ratios():
    grades = Grades.of([1, 0, 3], [1, 2, 9])
    assert grades.mean == pytest.approx(4 / 12)
    assert grades.take([0, 2]).mean == pytest.approx(4 / 10)


def test_parts_count_the_same_and_one_that_has_nothing_is_left_out():
    grades = Grades.of([[[3, 1, 0], [1, 0, 0]]], [[[4, 4, 0], [4, 4, 0]]])
    assert grades.mean == pytest.approx((4 / 8 + 1 / 8) / 2)
    assert Grades.of([0.0], [0.0]).mean == 0


def test_models_are_averaged_and_stacked():
    pair = Grades.stack([Grades.of([1, 1]), Grades.of([0, 1])])
    assert pair.values.tolist() == [1, 0.5]
    assert (pair.mean, pair.rows) == (0.75, 2)


def test_the_most_that_can_be_had():
    assert Grades.of([1, 0]).most == 1
    assert Grades.of([3.2, 0.1], [2, 1]).most == np.inf


def test_conditions_of_the_same_rows_are_taken_together():
    both = Grades.of([1, 0]) + Grades.of([1, 1])
    assert both.mean == 0.75


@pytest.mark.parametrize("shape", [(2, 3, 4, 1), (0,)])
def test_what_has_no_rows_is_refused(shape):
    with pytest.raises(ValueError, match="expected grades of shape"):
        Grades.of(np.zeros(shape))


def test_an_interval_of_a_rate_holds_it_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held, trials = 0, 200
    for trial in range(trials):
        words = rng.integers(1, 30, 120)
        errors = rng.binomial(words, 0.2)
        found = estimate(Grades.of(errors, words), resamples=300, seed=trial)
        held += found.low <= 0.2 <= found.high
    assert 0.90 <= held / trials <= 0.99


def test_where_lower_is_better_a_gain_is_what_it_falls():
    few, many = Grades.of([1, 0, 1, 0] * 20, [5] * 80), Grades.of([3, 2, 3, 2] * 20, [5] * 80)
    found = compare(few, many, higher_is_better=False).gain
    assert found.value == pytest.approx(0.4)
    assert 0 < found.low <= found.value <= found.high


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_right_or_wrong_is_the_share_of_right(rows):
    assert Grades.of(rows).mean == pytest.approx(np.mean(rows))


def median(shown, counts):
    """Return the median of what is shown, each row as often as it was drawn."""
    numbers = np.asarray([float(row) for row in shown])
    return np.asarray([np.median(np.repeat(numbers, drawn.astype(int))) for drawn in counts])


def medians(*models):
    return Grades.stack([Pooled.of_rows(median, [np.asarray(number) for number in model]) for model in models])


def test_a_metric_of_all_rows_together_is_computed_anew_in_every_draw():
    grades = medians([1, 2, 9], [4, 4, 5])
    assert grades.values.tolist() == [2, 4]
    assert grades.drawn(np.array([[0.0, 0, 3], [2, 1, 0]])).tolist() == [[9, 5], [1, 4]]
    assert grades.take([0, 2]).values.tolist() == [5, 4.5]
    assert grades.take(np.array([True, False, False])).mean == 2.5
    assert grades.by_row.tolist() == [[1, 2, 9], [4, 4, 5]]
    assert (grades.rows, grades.models, grades.most, grades.unknown) == (3, 2, 1.0, 0)


def test_over_conditions_such_a_metric_is_the_mean_of_its_values():
    assert (medians([1, 2, 9]) + medians([0, 0, 1])).mean == 1


def test_an_interval_of_a_pooled_metric_is_that_of_the_same_draws():
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(1, 1, (2, 60)), rng.normal(0, 1, (2, 60))
    found = compare(medians(*ours), medians(*theirs), resamples=400)
    assert 0 < found.gain.low < found.gain.value < found.gain.high
    assert compare(medians(*ours), medians(*theirs), resamples=400) == found


def test_unknown_numbers_of_a_pooled_metric_are_refused():
    with pytest.raises(ValueError, match="ours: 1 scores are NaN"):
        estimate(medians([1, np.nan]))


def test_grades_are_equal_where_every_row_earns_the_same():
    assert medians([1, 2]) == medians([1, 2]) != medians([1, 3])
    assert Grades.of([1, 0]) == Grades.of([1, 0]) != Grades.of([1, 1])
    assert Grades.of([1, 0]) != medians([1, 0])
