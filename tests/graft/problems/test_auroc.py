"""The area under the ROC curve, against torchmetrics, also where rows are drawn several times."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.classification import binary_auroc, multiclass_auroc, multiclass_recall

from graft.evaluation.bootstrap import compare
from graft.problems import PROBLEMS
from graft.problems.auroc import area, log_odds

PROBLEM = PROBLEMS["image-classification"]
AUROC, BALANCED = PROBLEM.graded_by("auroc"), PROBLEM.graded_by("balanced_accuracy")


def rows(classes, count=60, seed=0):
    rng = np.random.default_rng(seed)
    truths = rng.integers(0, classes, count)
    return (rng.normal(0, 1, (count, classes)) + np.eye(classes)[truths]).astype(np.float32), truths


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 3)), min_size=1, max_size=25))
def test_a_row_that_is_drawn_twice_counts_as_two_rows_and_ties_count_half(given_rows):
    scores, truths, counts = (np.asarray(one) for one in zip(*given_rows, strict=True))
    drawn = np.repeat(np.arange(len(scores)), counts)
    found = area(scores / 4, truths.astype(float), counts[None].astype(float))[0]
    if len({*truths[drawn].tolist()}) < 2:
        assert np.isnan(found)
    else:
        expected = binary_auroc(torch.tensor(scores[drawn] / 4), torch.tensor(truths[drawn].astype(int)))
        assert found == pytest.approx(float(expected))


def test_log_odds_order_rows_as_probabilities_do_and_do_not_saturate():
    logits = np.array([[0.0, 50, 0], [0, 60, 0], [1, 2, 3]])
    odds, shares = log_odds(logits), torch.softmax(torch.tensor(logits), dim=1).numpy()
    assert np.allclose(odds[2], np.log(shares[2] / (1 - shares[2])))
    assert odds[1, 1] > odds[0, 1]
    assert shares[1, 1] == shares[0, 1] == 1


@pytest.mark.parametrize("classes", [2, 4])
def test_the_metric_and_every_draw_of_it_are_those_of_torchmetrics(classes):
    answers, truths = rows(classes)
    counts = np.random.default_rng(1).multinomial(60, np.full(60, 1 / 60), size=3).astype(float)
    drawn = AUROC.grade(answers, truths).drawn(counts)
    for draw, found in zip(counts, drawn, strict=True):
        chosen = np.repeat(np.arange(60), draw.astype(int))
        shares = torch.softmax(torch.tensor(answers[chosen], dtype=torch.float64), dim=1)
        expected = multiclass_auroc(shares, torch.tensor(truths[chosen]), classes, average="macro")
        assert found[0] == pytest.approx(float(expected))
    if classes == 2:
        shares = torch.softmax(torch.tensor(answers, dtype=torch.float64), dim=1)[:, 1]
        assert PROBLEM.measure(answers, truths)["auroc"] == pytest.approx(
            float(binary_auroc(shares, torch.tensor(truths)))
        )


def test_balanced_accuracy_is_the_mean_recall_of_the_classes_that_are_there():
    answers, truths = rows(4)
    recall = multiclass_recall(torch.tensor(answers), torch.tensor(truths), 4, average="macro")
    assert BALANCED.grade(answers, truths).mean == pytest.approx(float(recall))
    there = truths < 2
    shares = [np.mean(answers[truths == label].argmax(axis=1) == label) for label in (0, 1)]
    assert BALANCED.grade(answers, truths).take(there).mean == pytest.approx(np.mean(shares))
    assert PROBLEM.measure(answers, truths)["balanced_accuracy"] == pytest.approx(float(recall))


def test_the_majority_class_is_chance_to_both():
    truths = np.array([0] * 9 + [1])
    answers = np.tile([1.0, 0.0], (10, 1)).astype(np.float32)
    assert PROBLEM.grade(answers, truths).mean == 0.9
    assert BALANCED.grade(answers, truths).mean == AUROC.grade(answers, truths).mean == 0.5


def test_rows_of_one_class_have_no_area_and_count_as_chance():
    answers, truths = rows(2)
    alone = AUROC.grade(answers, truths).take(truths == 1)
    assert (alone.defined, alone.mean) == (False, 0.5)
    assert AUROC.grade(answers, truths).defined


def test_intervals_are_drawn_of_an_area_as_of_any_other_metric():
    answers, truths = rows(2, 200)
    worse = np.random.default_rng(3).normal(0, 1, answers.shape).astype(np.float32)
    found = compare(AUROC.grade(answers, truths), AUROC.grade(worse, truths), resamples=300)
    assert 0 < found.gain.low < found.gain.value < found.gain.high < 1


def test_a_metric_that_a_problem_does_not_have_is_refused_with_those_it_has():
    with pytest.raises(ValueError, match="no metric 'auc'; it has accuracy, balanced_accuracy, auroc"):
        PROBLEM.graded_by("auc")
    assert PROBLEM.graded_by(None) is PROBLEM.graded_by("accuracy") is PROBLEM
    assert PROBLEM.metric == "accuracy"
