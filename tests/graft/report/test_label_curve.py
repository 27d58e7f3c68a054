from dataclasses import replace

import pytest

from graft.evaluation.label_curve import LabelCurve
from graft.report import style
from graft.report.card import render_card
from graft.report.label_curve import doubling_sentence, label_curve_figure, multiplier_sentence
from graft.report.page import render_page
from tests.graft.report.conftest import evidence
from tests.graft.report.test_page import Elements


def said(**changes):
    return multiplier_sentence({**evidence().metrics, **changes})


def test_the_multiplier_is_said_in_labels():
    assert said() == (
        "8 labels with transfer do what 20 do from scratch: a label with transfer is worth 2.5 from scratch"
        " (95 % interval 1.4 or more)."
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"label_multiplier_high": 4.0}, "2.5 from scratch (95 % interval 1.4 to 4.0)."),
        ({"label_multiplier_low": 0.9, "label_multiplier_high": 4.0}, "It may as well be worth no more than one."),
        ({"label_multiplier_bound": "at least"}, "8 labels with transfer already do what 20 do from scratch"),
        ({"label_multiplier_bound": "at least"}, "worth at least 2.5 from scratch"),
        ({"label_multiplier_low": None}, "not bounded by the counts"),
        ({"label_multiplier": None, "label_multiplier_note": "why"}, "There is no label multiplier: why."),
    ],
)
def test_bounds_doubts_and_reasons_are_said(changes, words):
    assert words in said(**changes)


def test_the_doubling_is_said_with_how_the_law_has_held():
    given = evidence()
    words = doubling_sentence(given.metrics, given.label_curve.points)
    assert "From 20 to 40 labels transfer should gain +2.4 points (95 % interval +0.4 to +5.1)" in words
    assert "foretells 89.7\N{NARROW NO-BREAK SPACE}% there; 90.4\N{NARROW NO-BREAK SPACE}% was measured" in words
    unknown = {**given.metrics, "label_doubling": None}
    assert "too few counts" in doubling_sentence(unknown, given.label_curve.points)


def test_the_arrow_lies_between_the_curves_at_the_height_that_both_reach():
    given = evidence()
    (axes,) = label_curve_figure(given.metrics, given.label_curve.points).axes
    arrows = [one for one in axes.texts if one.arrow_patch is not None]
    assert [(one.xy, one.xyann) for one in arrows] == [((8.0, pytest.approx(84.2)), (20.0, pytest.approx(84.2)))]
    written = [one.get_text() for one in axes.texts]
    assert {"transfer", "from scratch", "2.5 ×", "+2.4 points, foretold"} <= set(written)


def test_without_multiplier_and_doubling_the_curve_is_drawn_all_the_same():
    given = evidence()
    bare = {**given.metrics, "label_multiplier": None, "label_doubling": None}
    points = [one for one in given.label_curve.points if not one.projected]
    (axes,) = label_curve_figure(bare, points).axes
    assert {one.get_text() for one in axes.texts} == {"transfer", "from scratch"}


def test_the_same_points_give_the_same_bytes():
    given = evidence()
    first, second = (style.svg(label_curve_figure(given.metrics, given.label_curve.points)) for _ in range(2))
    assert first == second


def test_the_page_and_the_card_tell_the_curve_and_the_page_says_why_there_is_none():
    given = evidence()
    assert "8 labels with transfer do what 20 do" in Elements(render_page(given)).text
    assert "8 labels with transfer do what 20 do" in render_card(given.study, given.metrics)
    bare = {**given.metrics, "label_multiplier": None, "label_curve_note": "No label curve: why."}
    text = Elements(render_page(replace(given, metrics=bare, label_curve=LabelCurve()))).text
    assert "No label curve: why." in text
    assert "The arrow is between" not in text
    assert "labels with transfer" not in render_card(given.study, bare)
