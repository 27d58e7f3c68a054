"""Embeddings: the loss that makes them, what pairs of them are worth, and thresholds to decide at."""

import math
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.classification import binary_eer

from graft.evaluation.bootstrap import compare as bootstrap
from graft.evaluation.bootstrap import estimate
from graft.problems import PROBLEMS, pairs
from graft.problems.grades import Grades
from graft.problems.margin import against_others, arcface
from graft.problems.pairs import Face, PairGrades, compare, draw_errors, identify, measure_pairs, set_thresholds
from tests.faces import face_table

FACES = PROBLEMS["face-verification"]


def clouds(people, each, noise, seed=0, numbers=8):
    """Return embeddings of people, some of each, and whose they are."""
    rng = np.random.default_rng(seed)
    middles = np.repeat(rng.normal(size=(people, numbers)), each, axis=0)
    vectors = middles + noise * rng.normal(size=middles.shape)
    faces = [Face(person) for person in range(people) for _ in range(each)]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), faces


def exact(vectors, faces):
    found = compare(vectors, faces)
    return float(binary_eer(torch.tensor((1 + found.similarity) / 2), torch.tensor(found.same.astype(int))))


def test_the_margin_is_an_angle_that_is_added_to_the_own_one():
    angles = torch.tensor([[0.4, 1.2], [1.5, 0.9]], dtype=torch.float64)
    loss = arcface(torch.cos(angles), torch.tensor([0, 1]), 0.0, scale=2.0, margin=0.25)
    logits = 2 * torch.cos(torch.tensor([[0.65, 1.2], [1.5, 1.15]], dtype=torch.float64))
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1]))
    torch.testing.assert_close(loss, expected)


def test_the_loss_grows_with_the_angle_all_the_way():
    cosines = torch.linspace(0, math.pi, 60, dtype=torch.float64).cos()
    losses = [arcface(torch.stack([one, one * 0])[None], torch.tensor([0]), 0.0) for one in cosines]
    assert all(one < other for one, other in pairwise(losses))
    edge = torch.tensor([[1.0, -1.0]], requires_grad=True)
    arcface(edge, torch.tensor([0]), 0.0).backward()
    assert torch.isfinite(edge.grad).all()


def test_held_rows_are_held_against_the_others_of_their_identity():
    vectors = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [1, 1], [0, 1], [-1, 0]]), dim=1)
    cosines, places = against_others(vectors, torch.tensor([5, 5, 9, 9]))
    assert places.tolist() == [0, 0, 1, 1]
    assert cosines[0, 0] == pytest.approx(math.sqrt(0.5))  # to the second row alone, not to a mean that it is part of
    assert cosines[0, 1] == pytest.approx(-math.sqrt(0.5))
    cosines, _ = against_others(vectors, torch.tensor([5, 5, 9, 7]))
    assert len(cosines) == 2


def test_unseen_identities_have_a_loss_and_a_lone_one_has_none():
    vectors, _ = clouds(4, 3, 0.3)
    logits = torch.cat([torch.tensor(vectors, dtype=torch.float32), torch.zeros(12, 120), torch.zeros(12, 2)], dim=1)
    labels = -1 - torch.arange(40, 44).repeat_interleave(3)
    near, far = FACES.loss(logits, labels, 0.0), FACES.loss(logits, labels[torch.randperm(12)], 0.0)
    assert 0 < near < far
    assert FACES.weigh(labels) == 12
    alone = -1 - torch.arange(12)
    assert (float(FACES.loss(logits, alone, 0.0)), FACES.weigh(alone)) == (0.0, 0)
    assert FACES.weigh(torch.tensor([0, 1, 1])) == 3


def test_labels_are_below_zero_where_nothing_is_learned(image_processor):
    table = PROBLEMS["face-verification"].conclude({"train": face_table(3, 2)}, ())[0]["train"]
    examples = FACES.encode(table, image_processor)
    seen, held = (FACES.collate(examples, [0, 2, 5], image_processor, None, training) for training in (True, False))
    assert seen["labels"].tolist() == [0, 1, 2]
    assert held["labels"].tolist() == [-1, -2, -3]
    assert examples.expected == [Face(0), Face(0), Face(1), Face(1), Face(2), Face(2)]
    asked = FACES.encode(table.drop_columns(["identity"]), image_processor)
    assert asked.labels is asked.truths is None


@pytest.mark.parametrize(("people", "each", "noise"), [(4, 3, 0.5), (12, 8, 0.9), (80, 4, 0.9)])
def test_the_equal_error_rate_is_that_of_torchmetrics(people, each, noise):
    vectors, faces = clouds(people, each, noise)
    assert PairGrades.of_faces(vectors, faces).mean == pytest.approx(exact(vectors, faces), abs=2e-3)


@given(st.integers(0, 1000), st.permutations(range(12)))
def test_the_order_of_rows_changes_nothing(seed, order):
    vectors, faces = clouds(4, 3, 0.8, seed)
    shuffled = PairGrades.of_faces(vectors[order], [faces[row] for row in order])
    assert shuffled.mean == pytest.approx(PairGrades.of_faces(vectors, faces).mean)


def test_where_nothing_can_be_told_apart_it_is_a_half():
    vectors, _ = clouds(1, 4, 0.5)
    assert PairGrades.of_faces(vectors, [Face(0)] * 4).mean == 0.5
    assert PairGrades.of_faces(vectors, [Face(one) for one in range(4)]).by_row.tolist() == [[0.5] * 4]


def test_an_identity_drawn_twice_counts_as_two_people():
    vectors, faces = clouds(5, 3, 0.9, seed=3)
    rows = PairGrades.of_faces(vectors, faces).shown[0][0]
    counts = np.repeat([[2, 0, 1, 1, 1]], 3, axis=1).astype(float)
    found = compare(vectors, faces)
    weight = np.where(found.same, counts[0][found.first], counts[0][found.first] * counts[0][found.second])
    repeated = np.repeat(np.arange(len(weight)), weight.astype(int))
    scores, same = found.similarity[repeated], found.same[repeated]
    expected = float(binary_eer(torch.tensor((1 + scores) / 2), torch.tensor(same.astype(int))))
    assert draw_errors(rows, counts)[0] == pytest.approx(expected, abs=1e-6)


def test_intervals_are_drawn_over_identities():
    vectors, faces = clouds(12, 2, 0.7)
    few = PairGrades.of_faces(vectors, faces)
    many = PairGrades.of_faces(np.repeat(vectors, 6, axis=0), [face for face in faces for _ in range(6)])
    assert few.units.tolist() == [face.person for face in faces]
    narrow, wide = estimate(Grades.of(np.ones(24))), estimate(many)
    assert narrow.high == narrow.low
    assert wide.high - wide.low > 0.5 * (estimate(few).high - estimate(few).low)  # six copies tell no more people
    again = bootstrap(few, few, higher_is_better=False)
    assert (again.gain.value, again.ours.value) == (0, few.mean)


def test_the_linear_part_stands_for_the_products_of_many(monkeypatch):
    vectors, faces = clouds(60, 4, 0.9)
    grades = PairGrades.of_faces(vectors, faces)
    products = estimate(grades)
    monkeypatch.setattr(pairs, "EXACT", 0)
    linear = estimate(grades)
    assert linear.value == pytest.approx(products.value, abs=1e-9)
    assert linear.high - linear.low == pytest.approx(products.high - products.low, rel=0.1)


def test_of_many_rows_impostors_are_drawn(monkeypatch):
    vectors, faces = clouds(30, 4, 0.9)
    monkeypatch.setattr(pairs, "MOST_ROWS", 100)
    found = compare(vectors, faces)
    assert found.same.sum() == 30 * 6
    assert len(found.same) < 100 * 99 // 2 + 30 * 6
    assert PairGrades.of_faces(vectors, faces).mean == pytest.approx(exact(vectors, faces), abs=0.03)


def test_only_listed_pairs_count_and_parts_of_the_rows_keep_theirs():
    vectors, faces = clouds(3, 2, 0.5)
    listed = [Face(face.person, number, partners) for number, (face, partners) in enumerate(
        zip(faces, [(1, 2), (5,), (3,), (), (5,), ()], strict=True))]  # fmt: skip
    found = compare(vectors, listed)
    assert [*zip(found.first.tolist(), found.second.tolist(), strict=True)] == [(0, 1), (0, 2), (1, 5), (2, 3), (4, 5)]
    assert found.same.tolist() == [True, False, False, True, True]
    part = PairGrades.of_faces(vectors, listed).take([0, 2, 3])
    assert part.rows == 3
    found = compare(vectors[[0, 2, 3]], [listed[row] for row in (0, 2, 3)])
    assert found.first.tolist() == [0, 1]


def test_every_metric_of_embeddings_that_tell_all_apart_and_of_random_ones():
    best = {"verification_accuracy": 1, "tar_at_far_1e-2": 1, "tar_at_far_1e-3": 1, "rank_1": 1}
    assert measure_pairs(*clouds(12, 4, 0.01)) == best
    vectors, faces = clouds(12, 8, 1000.0)
    found = FACES.measure(vectors, faces)
    assert found["equal_error_rate"] == pytest.approx(0.5, abs=0.05)
    assert found["verification_accuracy"] == pytest.approx(0.5, abs=0.05)
    assert found["tar_at_far_1e-2"] < 0.05
    assert found["rank_1"] < 0.25
    assert [*found][1:] == [*best]


def test_who_is_alone_is_asked_for_nobody():
    vectors = np.eye(3)[[0, 0, 1, 2]]
    assert identify(vectors, [0, 0, 1, 2]) == 1
    assert identify(vectors[1:], [0, 1, 2]) == 0


def test_a_threshold_lets_no_larger_share_of_impostors_through():
    held = [
        (vectors, [face.person for face in faces]) for vectors, faces in (clouds(8, 6, 0.8, seed) for seed in (1, 2))
    ]
    found = set_thresholds(held)
    similarities = np.concatenate([
        one.similarity[~one.same] for one in (compare(vectors, [*map(Face, who)]) for vectors, who in held)
    ])  # fmt: skip
    assert 0.005 < (similarities >= found["1e-2"]).mean() <= 0.01
    assert 0 < (similarities >= found["1e-3"]).sum() <= len(similarities) / 1000
    assert set_thresholds(held[:1])["1e-3"] is None or len(similarities) >= 2000
    assert set_thresholds([(np.eye(3), [0, 0, 1])]) == {"1e-2": None, "1e-3": None}


def test_identities_are_strings_whatever_they_were():
    values, faults = FACES.convert("identity", [3, 4.0, " anna ", None, "", 1.5])
    assert values.to_pylist() == ["3", "4", "anna", None, None, None]
    assert faults == {3: "None is no identity", 4: "'' is no identity", 5: "1.5 is no identity"}
    assert values.type == pa.string()
