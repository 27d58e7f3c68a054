import csv

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graft.evaluation.arms import Arm, grade_all
from graft.evaluation.bootstrap import draw_means
from graft.evaluation.label_curve import KEYS, measure_label_curve, write_label_curve
from graft.evaluation.multiplier import Multiplier, find_multiplier
from graft.evaluation.points import Draws
from graft.problems import PROBLEMS
from graft.problems.grades import Grades

PROBLEM = PROBLEMS["image-classification"]
COUNTS = [4, 8, 16, 32]
DRAWS = Draws(resamples=300, confidence=0.95, seed=0)
ROWS, SEEDS, CLASSES = 300, 3, 2


def multiply(transfer, scratch, noise=0.004):
    rng = np.random.default_rng(0)
    means = {"transfer": np.array(transfer), "scratch": np.array(scratch)}
    draws = {arm: mean + rng.normal(0, noise, (400, len(mean))) for arm, mean in means.items()}
    return find_multiplier(COUNTS[: len(transfer)], means, draws, 0.95)


def test_the_same_curve_reached_with_half_the_labels_is_a_multiplier_of_two():
    found = multiply([0.6, 0.7, 0.8, 0.9], [0.5, 0.6, 0.7, 0.8])
    assert (found.value, found.bound) == (pytest.approx(2), None)
    assert (found.transfer, found.scratch) == (pytest.approx(16), pytest.approx(32))
    assert 1.7 < found.low < 2 < found.high < 2.3


def test_between_two_counts_the_curve_goes_straight_over_the_logarithm():
    found = multiply([0.5, 0.7, 0.8, 0.9], [0.4, 0.5, 0.6, 0.75])
    assert found.transfer == pytest.approx(8 * 2**0.5)


def test_transfer_that_needs_more_labels_is_a_multiplier_below_one():
    found = multiply([0.5, 0.6, 0.7, 0.8], [0.6, 0.7, 0.8, 0.9])
    assert found.value == pytest.approx(0.5)
    assert found.scratch == pytest.approx(16)


def test_transfer_as_good_with_the_fewest_labels_gives_a_bound_and_no_value():
    found = multiply([0.85, 0.9, 0.9, 0.9], [0.5, 0.6, 0.7, 0.8])
    assert (found.value, found.low, found.high, found.bound) == (
        pytest.approx(8),
        pytest.approx(8, abs=0.5),
        None,
        "at least",
    )


def test_scratch_as_good_with_the_fewest_labels_gives_the_other_bound():
    found = multiply([0.5, 0.6, 0.7, 0.8], [0.85, 0.9, 0.9, 0.9])
    assert (found.bound, found.low) == ("at most", None)
    assert found.value == pytest.approx(1 / 8)


@pytest.mark.parametrize("scratch", [[0.5, 0.5, 0.5, 0.5], [0.6, 0.5, 0.5, 0.4]])
def test_where_the_weaker_arm_learns_nothing_from_labels_there_is_no_multiplier(scratch):
    assert multiply([0.6, 0.7, 0.8, 0.9], scratch) == (
        "what is reached from scratch does not surely get better between 4 and 32 labels"
    )
    assert "with transfer does not surely get better" in multiply([0.2] * 4, scratch)


def test_a_dip_in_a_curve_is_not_taken_for_harm_done_by_labels():
    even = multiply([0.6, 0.75, 0.75, 0.9], [0.5, 0.6, 0.65, 0.7])
    dipped = multiply([0.6, 0.8, 0.7, 0.9], [0.5, 0.6, 0.65, 0.7])
    assert isinstance(dipped, Multiplier)
    assert dipped.value == pytest.approx(even.value)


def test_draws_of_equal_seeds_differ_by_the_examples_only_and_equally_for_both_arms():
    right = np.random.default_rng(1).random((2, 1, 50)) < 0.5
    first, second = draw_means([[*map(Grades.of, right)]] * 2, resamples=200)
    assert np.array_equal(first, second)
    assert first.shape == (200, 2)
    assert first.std(axis=0) == pytest.approx(right.std(axis=2)[:, 0] / 50**0.5, rel=0.15)


def test_the_variance_between_seeds_is_shown_whole():
    levels = np.array([0.4, 0.5, 0.6])
    (draws,) = draw_means([[Grades.of(np.repeat(levels[:, None], 10, axis=1))]], resamples=20_000)
    assert draws.var() == pytest.approx(levels.var(ddof=1) / 3, rel=0.05)


def arm(accuracy, rng, labels):
    answers = [logits(accuracy, rng, labels) for _ in range(SEEDS)]
    return Arm(answers, labels, grade_all(PROBLEM, answers, labels))


def logits(accuracy, rng, labels):
    right = rng.random(len(labels)) < accuracy
    return np.eye(CLASSES, dtype=np.float32)[np.where(right, labels, 1 - labels)]


@pytest.fixture
def measure(tmp_path):
    def go(transfer, scratch, counts=COUNTS, rows=None):
        """Measure arms of these accuracies, the last of each that of the final models, on some of the test rows."""
        rng = np.random.default_rng(0)
        labels = rng.integers(CLASSES, size=ROWS)
        rows = np.arange(ROWS) if rows is None else rows
        parts = [
            (name, seed, count, row, answer)
            for name, accuracies in (("transfer", transfer), ("scratch", scratch))
            for seed in range(SEEDS)
            for count, accuracy in zip(counts[:-1], accuracies, strict=False)
            for row, answer in zip(rows, logits(accuracy, rng, labels)[rows], strict=True)
        ]
        rng.shuffle(parts)
        columns = dict(zip(("arm", "seed", "labels", "row", "answers"), zip(*parts, strict=True), strict=True))
        columns["answers"] = pa.array([list(one) for one in columns["answers"]], pa.list_(pa.float32(), CLASSES))
        path = tmp_path / "label_curve.parquet"
        pq.write_table(
            pa.table({name: list(values) if name != "answers" else values for name, values in columns.items()}), path
        )
        arms = {"transfer": arm(transfer[-1], rng, labels), "scratch": arm(scratch[-1], rng, labels)}
        return measure_label_curve(path, None, PROBLEM, arms, counts[-1], DRAWS, CLASSES), arms

    return go


def test_every_count_of_either_arm_has_its_accuracy_and_the_budget_that_of_the_final_models(measure):
    curve, arms = measure([0.6, 0.75, 0.85, 0.9], [0.5, 0.6, 0.7, 0.8])
    measured = {(one.arm, one.labels): one for one in curve.points if not one.projected}
    assert set(measured) == {(name, count) for name in ("transfer", "scratch") for count in COUNTS}
    assert measured["transfer", 32].score.value == pytest.approx(arms["transfer"].grades.mean)
    assert measured["transfer", 8].score.value == pytest.approx(0.75, abs=0.04)
    assert measured["scratch", 4].labels_per_class == 2
    assert all(one.score.low <= one.score.value <= one.score.high for one in curve.points)
    assert curve.metrics.keys() == set(KEYS)
    assert 1 < curve.metrics["label_multiplier_low"] < curve.metrics["label_multiplier"]
    assert 0 <= curve.metrics["label_doubling_low"] <= curve.metrics["label_doubling"]


def test_a_curve_on_some_of_the_test_rows_takes_these_of_the_final_models_too(measure):
    rows = np.arange(0, ROWS, 3)
    curve, arms = measure([0.6, 0.75, 0.85, 0.9], [0.5, 0.6, 0.7, 0.8], rows=rows)
    last = next(one for one in curve.points if (one.arm, one.labels) == ("scratch", 32))
    assert last.score.value == pytest.approx(arms["scratch"].grades.take(rows).mean)


def test_three_counts_give_a_curve_and_foretell_nothing(measure):
    curve, _ = measure([0.6, 0.8, 0.9], [0.5, 0.6, 0.7], counts=COUNTS[:3])
    assert len(curve.points) == 6
    assert curve.metrics["label_multiplier"] is not None
    assert curve.metrics["label_doubling"] is None


def test_chance_and_perfect_arms_give_no_multiplier_and_no_number_that_is_none(measure):
    curve, _ = measure([1.0] * 4, [0.5] * 4)
    assert curve.metrics["label_multiplier"] is None
    assert "does not surely get better" in curve.metrics["label_multiplier_note"]
    assert curve.metrics["label_doubling"] == curve.metrics["label_doubling_high"] == 0


def test_a_fifth_count_tests_the_law_on_the_last(measure):
    curve, _ = measure([0.6, 0.7, 0.8, 0.85, 0.9], [0.5] * 5, counts=[*COUNTS, 64])
    assert curve.metrics["label_doubling_check"] == pytest.approx(0.88, abs=0.05)


def test_without_a_curve_every_key_is_there_and_says_why(tmp_path):
    for note, said in (("asked for none", "asked for none"), (None, "no label curve")):
        curve = measure_label_curve(tmp_path / "none.parquet", note, PROBLEM, {}, 4, DRAWS, CLASSES)
        assert not curve.points
        assert said in curve.metrics["label_curve_note"]
        assert {key for key, value in curve.metrics.items() if value is not None} == {"label_curve_note"}


def test_the_file_has_one_line_for_each_point(measure, tmp_path):
    curve, _ = measure([0.6, 0.75, 0.85, 0.9], [0.5, 0.6, 0.7, 0.8])
    write_label_curve(tmp_path / "label_curve.csv", curve)
    rows = list(csv.DictReader((tmp_path / "label_curve.csv").read_text().splitlines()))
    assert [(row["arm"], row["kind"], row["labels"]) for row in rows[-2:]] == [
        ("transfer", "projected", "64"),
        ("scratch", "projected", "64"),
    ]
    assert len(rows) == 2 * len(COUNTS) + 2
