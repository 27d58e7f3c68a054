"""Robustness of models so simple that what corruptions do to them is known."""

import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch
from PIL import Image

from graft.corruptions import SEVERITIES
from graft.evaluation.arms import Arm, grade_all, predict_arms
from graft.evaluation.points import Draws, contrast, write_points
from graft.evaluation.robustness import (
    FEWEST,
    Probes,
    choose_rows,
    count_sets,
    measure_corruptions,
    measure_groups,
    measure_shift,
    unmeasured,
)
from graft.problems import PROBLEMS
from graft.problems.grades import Grades
from graft.reading.cells import FILE

PROBLEM = PROBLEMS["image-classification"]
DRAWS = Draws(resamples=200, confidence=0.9, seed=0)
ROWS = 40


class Judge(torch.nn.Module):
    """Says 1 for an image whose mean is above a threshold; `stubborn` says 0 to all. Counts the rows it saw."""

    def __init__(self, threshold=0.0, stubborn=False):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.threshold, self.stubborn, self.seen = threshold, stubborn, 0

    def forward(self, pixel_values):
        self.seen += len(pixel_values)
        score = pixel_values.mean(dim=(1, 2, 3)) - self.threshold
        return SimpleNamespace(logits=torch.stack([torch.zeros_like(score), score - 1e6 * self.stubborn], dim=1))


@pytest.fixture
def table():
    """Dark images of label 0 and bright ones of label 1, each of one grey with a little grain."""
    rng = np.random.default_rng(0)
    cells = []
    for row in range(ROWS):
        stream = io.BytesIO()
        pixels = 60 + 120 * (row % 2) + rng.integers(-8, 9, (16, 16))
        Image.fromarray(pixels.astype(np.uint8)).save(stream, "PNG")
        cells.append({"bytes": stream.getvalue(), "path": None})
    return pa.table({"image": pa.array(cells, FILE), "label": pa.array([row % 2 for row in range(ROWS)], pa.int64())})


@pytest.fixture
def probes(image_processor):
    stubborn = [Judge(stubborn=True), Judge(stubborn=True)]
    return Probes(
        {"transfer": [Judge(), Judge()], "scratch": stubborn, "source": stubborn}, PROBLEM, image_processor, DRAWS
    )


def measure(probes, table, rows=ROWS):
    said = []
    arms = predict_arms(probes.models, PROBLEM, PROBLEM.encode(table, probes.processor), probes.processor)
    return measure_corruptions(probes, arms, table, rows, said.append), said


def by_name(found, arm):
    return {(one.name, one.severity): one.score.value for one in found.points if one.arm == arm}


def test_every_arm_has_a_point_for_every_corruption_and_severity(probes, table):
    found, said = measure(probes, table)
    assert len(said) == count_sets(PROBLEM, ROWS, 0) == 7 * 5
    wanted = {(name, severity) for name in PROBLEM.corruptions for severity in SEVERITIES} | {("none", 0)}
    for arm in ("transfer", "scratch", "source"):
        assert set(by_name(found, arm)) == wanted
    assert {one.rows for one in found.points} == {ROWS}
    assert {one.kind for one in found.points} == {"corruption"}


def test_only_light_deceives_a_judge_of_light_and_nothing_a_stubborn_one(probes, table):
    found, _ = measure(probes, table)
    scores = by_name(found, "transfer")
    assert scores.pop(("brightness", 5)) == 0.5  # 60 + 0.3 * 255 is above the threshold of 128
    assert set(scores.values()) == {1.0}
    assert set(by_name(found, "scratch").values()) == {0.5}


def test_robustness_is_the_mean_over_corruptions_and_severities(probes, table):
    metrics = measure(probes, table)[0].metrics
    assert metrics["robustness"] == pytest.approx((34 + 0.5) / 35)
    assert metrics["robustness_scratch"] == metrics["robustness_source"] == 0.5
    assert metrics["robustness_gain"] == pytest.approx(metrics["robustness"] - 0.5)
    assert metrics["robustness_gain_low"] < metrics["robustness_gain"] < metrics["robustness_gain_high"]
    assert metrics["robustness_clean"] == 1.0
    assert metrics["robustness_clean_scratch"] == 0.5
    assert metrics["robustness_rows"] == ROWS


def test_models_that_two_arms_share_see_each_set_once(probes, table):
    measure(probes, table, rows=10)
    assert [one.seen for one in (*probes.models["transfer"], *probes.models["scratch"])] == [ROWS + 35 * 10] * 4


def test_measuring_again_gives_the_same_and_another_seed_other_rows(probes, table):
    first, again = measure(probes, table, rows=12)[0], measure(probes, table, rows=12)[0]
    assert first.points == again.points
    assert first.metrics == again.metrics
    labels = np.asarray(table["label"])
    assert choose_rows(labels, 12, 0).tolist() != choose_rows(labels, 12, 1).tolist()


def test_no_corruptions_leave_the_same_keys_empty(probes, table):
    empty = unmeasured(DRAWS)
    assert not empty.points
    assert empty.metrics == dict.fromkeys(measure(probes, table, rows=4)[0].metrics)


def test_the_rows_are_as_many_as_asked_and_each_label_has_its_share():
    labels = np.repeat([0, 1, 2], [600, 300, 100])
    rows = choose_rows(labels, 50, seed=3)
    assert np.bincount(labels[rows]).tolist() == [30, 15, 5]
    assert len(set(rows)) == 50
    assert rows.tolist() == sorted(rows)
    assert choose_rows(labels, 5000, seed=3).tolist() == list(range(1000))


def test_a_shift_set_is_compared_like_the_test_rows(probes, table):
    found = measure_shift(probes, "elsewhere", table)
    assert found.metrics["shift_elsewhere"] == 1.0
    assert found.metrics["shift_elsewhere_scratch"] == 0.5
    assert found.metrics["shift_elsewhere_gain"] == 0.5
    assert found.metrics["shift_elsewhere_rows"] == ROWS
    assert [(one.arm, one.kind, one.name, one.severity) for one in found.points] == [
        (arm, "shift", "elsewhere", None) for arm in ("transfer", "scratch", "source")
    ]


def test_the_worst_group_is_each_arms_own():
    groups = ["a"] * 20 + ["b"] * 10 + ["c"] * 9
    labels = np.zeros(39, dtype=np.int64)
    right = np.zeros((2, 39), dtype=int)
    right[:, 20:25] = 1  # half of b is wrong
    right[:, 30:] = 1  # all of c is wrong, but c is too small
    wrong_in_a = np.zeros((2, 39), dtype=int)
    wrong_in_a[:, :15] = 1
    arms = {"transfer": arm(right, labels), "scratch": arm(wrong_in_a, labels), "source": arm(right, labels)}
    metrics = measure_groups(arms, groups, DRAWS).metrics
    assert (metrics["worst_group"], metrics["worst_group_name"], metrics["worst_group_rows"]) == (0.5, "b", 10)
    assert (metrics["worst_group_scratch"], metrics["worst_group_scratch_name"]) == (0.25, "a")
    assert metrics["worst_group_low"] < 0.5 < metrics["worst_group_high"]
    assert metrics["groups"] == 2


@pytest.mark.parametrize(("groups", "counted"), [(None, None), (["a"] * (FEWEST - 1) + ["b"] * (FEWEST - 1), 0)])
def test_without_groups_large_enough_there_is_no_worst_one(groups, counted):
    labels = np.zeros(2 * (FEWEST - 1), dtype=np.int64)
    same = arm(np.zeros((2, len(labels)), dtype=int), labels)
    found = measure_groups({"transfer": same, "scratch": same, "source": same}, groups, DRAWS)
    assert found.metrics.pop("groups") == counted
    assert set(found.metrics.values()) == {None}
    assert not found.points


def test_where_all_rows_are_of_one_class_there_is_no_area_under_a_curve(probes, table):
    labels = np.array([0, 1] * 10 + [1] * 12)
    groups = ["both"] * 20 + ["ill alone"] * 12
    problem, rng = PROBLEM.graded_by("auroc"), np.random.default_rng(0)
    answers = [rng.normal(0, 1, (32, 2)).astype(np.float32) for _ in range(2)]
    one = Arm(answers, labels, grade_all(problem, answers, labels))
    found = measure_groups({"transfer": one, "scratch": one, "source": one}, groups, DRAWS)
    assert (found.metrics["worst_group_name"], found.metrics["groups"]) == ("both", 1)
    assert {point.name for point in found.points} == {"both"}
    alone = table.filter(pc.equal(table["label"], 1))
    shifted = measure_shift(replace(probes, problem=problem), "ill", alone)
    assert (shifted.metrics["shift_ill"], shifted.metrics["shift_ill_rows"]) == (None, alone.num_rows)
    assert not shifted.points


def test_a_source_that_is_the_winner_is_exactly_as_good():
    rng = np.random.default_rng(0)
    scores = Grades.of(rng.random((3, 50)) < 0.7)
    found = contrast(
        "x", {"transfer": scores, "scratch": Grades.of(rng.random((3, 50)) < 0.6), "source": scores}, DRAWS
    )
    assert found["x_gain_over_source_low"] == found["x_gain_over_source_high"] == 0
    assert (found["x_source_low"], found["x_source_high"]) == (found["x_low"], found["x_high"])


def test_points_are_written_one_a_line(tmp_path, probes, table):
    points = measure_shift(probes, "elsewhere", table).points
    write_points(tmp_path / "robustness.csv", points)
    lines = (tmp_path / "robustness.csv").read_text().splitlines()
    assert lines[0] == "arm,kind,name,severity,rows,score,low,high"
    assert lines[1] == "transfer,shift,elsewhere,,40,1.000000,1.000000,1.000000"
    assert len(lines) == 4


def test_texts_are_measured_as_images_are():
    from graft.catalog import Pretraining

    problem = PROBLEMS["text-classification"]
    texts = pa.table(
        {"text": ["one two three four", "five six seven eight nine"] * 8, "label": pa.array([0, 1] * 8, pa.int64())}
    )
    tokenizer = problem.make_processor(texts, {}, Pretraining(vocabulary_size=100, max_tokens=16))

    class Counter(torch.nn.Module):
        """Tells the longer texts from the shorter by their number of tokens."""

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, input_ids, attention_mask):
            score = attention_mask.sum(dim=1).float() - 6.5
            return SimpleNamespace(logits=torch.stack([torch.zeros_like(score), score], dim=1))

    both = [Counter(), Counter()]
    models = {"transfer": both, "scratch": both, "source": both}
    probes = Probes(models, problem, tokenizer, DRAWS)
    arms = predict_arms(models, problem, problem.encode(texts, tokenizer), tokenizer)
    scores = by_name(measure_corruptions(probes, arms, texts, 500, lambda said: None), "transfer")
    assert {scores["swapped-words", severity] for severity in SEVERITIES} == {1.0}  # order does not count
    assert scores["dropped-words", 5] == 0.5  # all of them look short
    assert len(scores) == 4 * 5 + 1


def arm(predicted, labels):
    answers = list(np.eye(2, dtype=np.float32)[predicted])
    return Arm(answers, labels, grade_all(PROBLEM, answers, labels))
