"""Pairs in the report: the hardest of either error, the ROC, and what the thresholds of the package gave."""

import numpy as np
import pyarrow as pa
import pytest

from graft.evaluation.arms import Arm
from graft.problems.pairs import Face, PairGrades
from graft.report.pairs import accept_curves, accepts_figure, hardest_pairs, thresholds_table
from tests.faces import face_table

ANGLES = (0.0, 1.2, 0.5, 0.75)  # a person's second picture is nearer to the other person than to the first
FACES = [Face(0), Face(0), Face(1), Face(1)]


def arm(angles):
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return Arm([vectors], FACES, PairGrades.of_faces(vectors, FACES))


def rows():
    table = face_table(2, 2)
    return table.append_column("file", pa.array(["a.png", "b.png", "c.png", "d.png"])).append_column(
        "row", pa.array([0, 0, 0, 7])
    )


def test_the_hardest_pairs_are_rejects_first_and_then_accepts():
    found = hardest_pairs(rows(), arm(np.array(ANGLES)))
    assert found[0].label == "the same"
    assert found[0].predicted == f"different, similarity {np.cos(1.2):.2f}"
    assert found[0].place == "p00: a.png and b.png"
    assert found[0].image.startswith("data:image/png")
    assert {one.label for one in found[1:]} == {"different"}
    assert found[1].place.startswith("p00 and p01: b.png and d.png, row 7")


def test_nothing_is_hard_where_all_is_told_apart_or_nothing_can_be():
    assert hardest_pairs(rows(), arm(np.array([0.0, 0.1, 1.5, 1.6]))) == []
    alone = Arm([np.eye(2)], [Face(0), Face(1)], PairGrades.of_faces(np.eye(2), [Face(0), Face(1)]))
    assert hardest_pairs(rows().slice(0, 2), alone) == []


def test_both_arms_have_a_curve_that_only_rises():
    curves = accept_curves({"transfer": arm(np.array([0.0, 0.1, 1.5, 1.6])), "scratch": arm(np.array(ANGLES))})
    assert curves["transfer"][1].max() == 1
    assert curves["transfer"][0][curves["transfer"][1] == 1].min() == 0
    for false_accepts, accepts in curves.values():
        assert (np.diff(false_accepts) >= 0).all()
        assert (np.diff(accepts) >= 0).all()
    metrics = {"transfer": 0.0, "threshold_1e-2": 0.9, "threshold_1e-2_tar": 0.5, "threshold_1e-2_far": 0.02}
    (axes,) = accepts_figure(curves, metrics | {"threshold_1e-3_far": None}).axes
    assert (axes.get_xscale(), len(axes.get_legend().texts)) == ("log", 2)


def test_a_threshold_that_could_not_be_set_is_in_the_table():
    metrics = {f"threshold_{rate}{end}": None for rate in ("1e-2", "1e-3") for end in ("", "_tar", "_far")}
    metrics |= {"threshold_1e-2": 0.8, "threshold_1e-2_tar": 0.6, "threshold_1e-2_far": 0.02}
    assert thresholds_table(metrics) == [("1 %", 0.8, 0.6, 0.02), ("0.1 %", None, None, None)]
    assert thresholds_table({}) == []


@pytest.mark.parametrize("each", [1, 3])
def test_a_picture_of_two_has_the_height_of_the_first(each):
    from PIL import Image

    from graft.problems.overlays import side_by_side

    both = side_by_side(Image.new("L", (10, 20)), Image.new("RGB", (30 * each, 30)))
    assert both.height % 20 == 0
    assert both.width > both.height // 2 + both.height * each
