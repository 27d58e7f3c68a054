from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from graft import interruption
from graft.backbones import build
from graft.catalog import Data, Study
from graft.errors import CatalogError, Interrupted
from graft.problems import PROBLEMS
from graft.problems.examples import Examples
from graft.study import Bench, plan, search
from graft.study.caching import with_prefix
from graft.study.label_curve import Curve, choose_counts, count_steps, draw_part, draw_test, explain_counts, train_curve
from tests.conftest import RESNET

PROBLEM = PROBLEMS["image-classification"]
STUDY = Study(strategies=("top-1",), seeds=2, budget_steps=3, folds=2, label_counts=(2, 5))
UNEVEN = np.repeat([0, 1, 2], [100, 40, 4])


def even(each, classes=4):
    return np.repeat(np.arange(classes), each)


@pytest.mark.parametrize(
    ("each", "counts"),
    [
        (5, (1, 2, 3, 4)),
        (16, (1, 2, 3, 5, 9)),
        (20, (1, 2, 3, 6, 11)),
        (320, (10, 20, 40, 80, 160)),
        (3, (1, 2)),
    ],
)
def test_counts_are_log_spaced_whole_and_end_at_the_budget(each, counts):
    assert choose_counts(even(each), None) == counts
    assert explain_counts(even(each), None) is None


@pytest.mark.parametrize(("each", "asked"), [(1, None), (2, None), (20, (20,)), (20, (7,))])
def test_fewer_than_three_counts_are_no_curve_and_that_is_said(each, asked):
    assert choose_counts(even(each), asked) == ()
    assert "fewer than 3 label counts" in explain_counts(even(each), asked)


def test_no_curve_is_trained_where_none_is_asked_for():
    assert choose_counts(even(20), ()) == ()
    assert "`study.label_counts` is empty" in explain_counts(even(20), ())


def test_counts_that_are_asked_for_are_taken_in_order_without_the_budget_itself():
    assert choose_counts(even(20), (10, 5, 20)) == (5, 10)


def test_every_count_larger_than_the_data_is_named_with_what_is_there():
    with pytest.raises(CatalogError) as error:
        choose_counts(even(20), (5, 40, 21))
    assert error.value.problems == (
        "21 labels per class; the labelled budget has 20",
        "40 labels per class; the labelled budget has 20",
    )
    assert "There are 80 labelled rows of 4 classes" in str(error.value)
    with pytest.raises(CatalogError, match=r"50 labels per class; the labelled budget has 4 to 100, 48\.0 in the mean"):
        choose_counts(UNEVEN, (50,))


@pytest.mark.parametrize("labels", [even(20), UNEVEN])
def test_parts_of_a_seed_are_nested_and_hold_every_class_by_its_share(labels):
    parts = [set(draw_part(labels, count, seed=3)) for count in (1, 2, 6, 11)]
    assert all(small < large for small, large in pairwise(parts))
    shares = np.bincount(labels) / len(labels)
    for count, part in zip((1, 2, 6, 11), parts, strict=True):
        found = np.bincount(labels[sorted(part)], minlength=len(shares))
        assert (found >= 1).all()
        assert np.abs(found - np.maximum(shares * count * len(shares), 1)).max() <= 0.5


def test_another_seed_draws_another_part_and_the_same_seed_the_same():
    assert np.array_equal(draw_part(even(20), 3, 0), draw_part(even(20), 3, 0))
    assert not np.array_equal(draw_part(even(20), 3, 0), draw_part(even(20), 3, 1))


def test_a_large_test_set_is_drawn_from_without_its_labels_and_a_small_one_taken_whole():
    assert draw_test(300).tolist() == list(range(300))
    assert len(set(draw_test(5000).tolist())) == 2000


@pytest.fixture
def study(images, image_processor, tmp_path, monkeypatch):
    """A bench whose trials are done, with its result, and unlabelled test inputs."""
    monkeypatch.setenv("GRAFT_WORK", str(tmp_path / "work"))
    bench = Bench(
        PROBLEM, image_processor, build(PROBLEM, RESNET, ("x", "y"), seed=0), ("a", "b", "c"), images, STUDY, tmp_path
    )
    rows = pa.table({"label": pa.array(images.labels, pa.int64())})
    candidates, notes, selection = plan(bench, rows, Data(path="data"))
    bench = with_prefix(bench, candidates, "target")
    result = search(bench, rows, candidates, notes, selection, lambda step, message: None)
    return bench, result, Examples(images.features[:9], None)


def train(study, report=lambda step, message: None):
    return list(train_curve(*study, report))


def test_both_arms_answer_the_test_rows_at_every_count_with_every_seed(study):
    steps = []
    points = train(study, lambda step, message: steps.append(step))
    assert [(one.arm, one.outcome.seed, one.rows) for one in points] == [
        (arm, seed, rows) for arm in ("transfer", "scratch") for seed in (0, 1) for rows in (6, 15)
    ]
    assert steps == list(range(1, count_steps(study[0]) + 1))
    assert {one.outcome.role for one in points} == {"curve-winner", "curve-control"}
    assert all(one.answers.shape == (9, 3) for one in points)
    table = Curve.of(points, np.arange(9)).answers
    assert table.num_rows == 8 * 9
    assert np.allclose(np.stack(table["answers"].to_numpy())[9:18], points[1].answers)


def test_a_curve_stopped_twice_and_without_the_prefix_cache_ends_in_the_same_logits(study, tmp_path, monkeypatch):
    assert study[0].prefix is not None
    whole = train(study)
    broken = (replace(study[0], folder=tmp_path / "broken", prefix=None), *study[1:])
    for stop in (2, 7):  # the first model's second step; the third model's first, two being finished
        monkeypatch.setattr(interruption, "requested", lambda: False)

        def ask(step, message, stop=stop):
            if step == stop:
                monkeypatch.setattr(interruption, "requested", lambda: True)

        with pytest.raises(Interrupted):
            train(broken, ask)
    monkeypatch.setattr(interruption, "requested", lambda: False)
    steps = []
    resumed = train(broken, lambda step, message: steps.append(step))
    assert steps[0] == 8
    assert all(np.array_equal(one.answers, other.answers) for one, other in zip(whole, resumed, strict=True))
