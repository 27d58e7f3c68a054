"""The threshold of two classes: how it is chosen, what it gives on test, and in which group it gives least."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.classification import binary_auroc, binary_precision, binary_recall, binary_specificity

from graft.catalog import Evaluation
from graft.errors import CatalogError, CheckpointError
from graft.evaluation.arms import Arm, grade_all
from graft.evaluation.calibration import softmax
from graft.evaluation.operating_point import KEYS, choose_threshold, measure_operating_point
from graft.problems import PROBLEMS

PROBLEM = PROBLEMS["image-classification"].named(("ill", "well"))
DRAWS = {"resamples": 200, "confidence": 0.9, "seed": 0}
TEMPERATURE = 2.0


def scores(count, seed, apart=2.0, ill=0.3):
    """Return logits and labels; label 0 is ill, and its logit is higher where it is right."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(count) > ill).astype(np.int64)
    return (rng.normal(0, 1, (count, 2)) + apart * np.eye(2)[labels]).astype(np.float32), labels


@pytest.fixture
def run(tmp_path):
    for name, apart in (("validation", 2.0), ("validation_scratch", 0.5)):
        logits, labels = scores(200, 7, apart)
        held = {"label": labels, "logits": pa.array(logits.tolist(), pa.list_(pa.float32()))}
        pq.write_table(pa.table(held), tmp_path / f"{name}.parquet")
    return tmp_path


def arms(count=150):
    found = {}
    for arm, apart in (("transfer", 2.0), ("scratch", 0.5)):
        answers = [scores(count, 3, apart)[0], scores(count, 3, apart)[0] + np.float32([0.3, 0])]
        labels = scores(count, 3)[1]
        found[arm] = Arm(answers, labels, grade_all(PROBLEM, answers, labels))
    return found


def measured(run, groups=None, **asked):
    return measure_operating_point(
        run, Evaluation(positive="ill", **asked), PROBLEM, arms(), TEMPERATURE, groups, DRAWS
    ).metrics


def test_youden_takes_the_largest_sum_of_sensitivity_and_specificity():
    shares, truths = np.array([0.1, 0.2, 0.4, 0.6, 0.7, 0.9]), np.array([0, 0, 1, 0, 1, 1], bool)
    assert choose_threshold(shares, truths) == pytest.approx(0.3)  # 1 + 2/3, as at 0.65: of equal ones more are found
    assert choose_threshold(shares, ~truths) == 0.0


def test_a_sensitivity_that_is_asked_for_is_had_at_the_highest_threshold_that_has_it():
    shares, truths = np.array([0.1, 0.2, 0.4, 0.6, 0.7, 0.9]), np.array([1, 0, 1, 0, 1, 1], bool)
    for least, expected in ((0.25, 0.8), (0.5, 0.65), (0.75, 0.3), (0.76, 0.0), (1, 0.0)):
        assert choose_threshold(shares, truths, least) == pytest.approx(expected)


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]), st.booleans()), min_size=2, max_size=20).filter(
        lambda rows: len({one[1] for one in rows}) == 2
    ),
    st.floats(0.01, 1),
)
def test_no_threshold_is_better_and_the_least_sensitivity_is_had(rows, least):
    shares, truths = (np.asarray(one) for one in zip(*rows, strict=True))

    def rates(threshold):
        said = shares >= threshold
        return (said & truths).sum() / truths.sum(), (~said & ~truths).sum() / (~truths).sum()

    best = max(sum(rates(cut)) for cut in (-1, 0.1, 0.3, 0.7, 0.95, 2))
    assert sum(rates(choose_threshold(shares, truths))) == pytest.approx(best)
    assert rates(choose_threshold(shares, truths, least))[0] >= least


def test_rates_are_those_of_torchmetrics_at_the_packages_threshold(run):
    found, arm = measured(run), arms()["transfer"]
    truth = torch.tensor(np.asarray(arm.truths) == 0).int()
    shares = [torch.tensor(softmax(answers, TEMPERATURE)[:, 0]) for answers in arm.answers]
    for name, rate in (
        ("sensitivity", binary_recall), ("specificity", binary_specificity), ("ppv", binary_precision),
    ):  # fmt: skip
        expected = [float(rate(one, truth, threshold=found["threshold"] - 1e-9)) for one in shares]
        assert found[name] == pytest.approx(np.mean(expected))
        assert found[f"{name}_low"] < found[name] < found[f"{name}_high"]
        assert found[f"{name}_gain"] == pytest.approx(found[name] - found[f"{name}_scratch"])
    assert found["auroc"] == pytest.approx(np.mean([float(binary_auroc(one, truth)) for one in shares]))
    assert found["prevalence"] == pytest.approx(float(truth.float().mean()))
    assert found["positive"] == "ill"


def test_either_arm_has_a_threshold_of_its_own_from_rows_that_are_not_test_rows(run):
    first = measured(run)
    logits, labels = scores(200, 7, 2.0)
    shares = softmax(logits, TEMPERATURE)[:, 0]
    assert first["threshold"] == choose_threshold(shares, labels == 0)
    assert first["threshold"] != first["threshold_scratch"]
    strict = measured(run, min_sensitivity=0.98)
    assert strict["validation_sensitivity"] >= 0.98 > first["validation_sensitivity"]
    assert strict["threshold"] < first["threshold"]
    assert strict["specificity"] < first["specificity"]
    assert "at least 98 %" in strict["threshold_rule"]


def test_the_worst_group_is_the_one_where_fewest_of_the_ill_are_found(run):
    answers, labels = scores(150, 3)
    said = softmax(answers, TEMPERATURE)[:, 0] >= measured(run)["threshold"]
    missed, seen = np.flatnonzero((labels == 0) & ~said), np.flatnonzero((labels == 0) & said)
    assert 0 < len(missed) < 9
    groups = np.full(150, "near", object)
    groups[[*missed, *seen[: 12 - len(missed)]]] = "far"
    found = measured(run, groups.tolist())
    assert (found["worst_group_sensitivity_name"], found["worst_group_sensitivity_rows"]) == ("far", 12)
    assert found["worst_group_sensitivity"] < found["sensitivity"]
    groups[groups == "far"] = np.where(np.arange(12) % 2, "far", "farther")  # six ill in each say nothing
    assert measured(run, groups.tolist())["worst_group_sensitivity_name"] == "near"
    assert measured(run)["worst_group_sensitivity"] is None


def test_a_rate_of_what_is_never_said_has_no_value(tmp_path):
    held = {"label": [0, 1, 0, 1], "logits": [[0.0, 9], [0, 8], [0, 7.5], [0, 7]]}
    for name in ("validation", "validation_scratch"):
        pq.write_table(pa.table(held), tmp_path / f"{name}.parquet")
    answers = [np.array([[0.0, 3]] * 20, np.float32)]
    labels = np.arange(20) % 2
    arm = Arm(answers, labels, grade_all(PROBLEM, answers, labels))
    asked = Evaluation(positive="ill", min_sensitivity=1)
    found = measure_operating_point(
        tmp_path, asked, PROBLEM, {"transfer": arm, "scratch": arm}, 1.0, None, DRAWS
    ).metrics
    assert (found["npv"], found["npv_low"], found["npv_gain"]) == (None, None, None)
    assert (found["sensitivity"], found["specificity"], found["ppv"]) == (1.0, 0.0, 0.5)


def test_without_a_positive_class_every_key_is_there_and_none(tmp_path):
    found = measure_operating_point(tmp_path, Evaluation(), PROBLEM, arms(), 1.0, None, DRAWS)
    assert (found.metrics, found.curves) == (dict.fromkeys(KEYS), ())


def test_a_run_without_held_rows_says_what_to_do(tmp_path):
    with pytest.raises(CheckpointError, match=r"validation\.parquet: missing(.|\n)*makes it anew"):
        measured(tmp_path)


@pytest.mark.parametrize(
    ("labels", "said"),
    [(("a", "b", "c"), "parts two labels, and there are 3"), (("a", "b"), "no label 'ill'; the labels are a, b")],
)
def test_a_positive_class_that_is_not_one_of_two_is_refused(labels, said):
    with pytest.raises(CatalogError, match=said):
        Evaluation(positive="ill").positive_among(labels)
