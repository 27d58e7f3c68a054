from collections.abc import Callable

import pytest

from graft.report.evidence import Evidence
from graft.report.page import render_page
from graft.report.scores import scores_figure, scores_sentence, scores_table
from graft.report.style import svg
from tests.graft.report.test_page import Elements

Make = Callable[..., Evidence]
UNDEFINED = {"knn": "all 20 rows have the same label"}


def test_the_figure_has_a_panel_for_the_outcome_and_one_for_each_score_in_the_order_of_tau(make_evidence: Make) -> None:
    panels = [axes for axes in scores_figure(make_evidence().study).axes if axes.axison]
    assert [axes.get_title(loc="left") for axes in panels] == ["reached in validation, %", "knn", "logme", "leep"]
    # block 1: 88.6, block 2: 87.4, block 3: 78.0 and nothing was trained from the stem up
    assert [axes.get_title(loc="right") for axes in panels] == ["", "τ +0.82", "τ −1.00", ""]
    assert panels[3].texts[0].get_text().replace("\n", " ") == "the source predicts no classes"


def test_the_sentence_names_the_best_and_the_worst_score_and_how_rough_that_is(make_evidence: Make) -> None:
    said = scores_sentence(make_evidence().study)
    assert "Over the 3 depths that were trained from, knn agreed best with validation (τ +0.82)" in said
    assert "logme least (τ −1.00)" in said
    assert "of the 6 orders of 3 depths one agrees wholly by chance, and these are 2 scores" in said


def test_a_depth_has_its_best_candidate_and_its_gain_over_scratch_or_nothing(make_evidence: Make) -> None:
    rows = scores_table(make_evidence().study)
    assert rows[0] == ("stem", "", None, None)
    assert rows[3] == ("block 3", "linear-probe", 0.78, pytest.approx(-0.02))


def test_where_all_scores_are_undefined_the_report_says_why(make_evidence: Make) -> None:
    evidence = make_evidence()
    bare = [{**one, "scores": {}, "undefined": UNDEFINED} for one in evidence.study["boundary_scores"]]
    study = {**evidence.study, "boundary_scores": bare}
    expected = "No score can be compared with what the depths reached: all 20 rows have the same label."
    assert scores_sentence(study) == expected
    assert svg(scores_figure(study)).startswith("data:image/svg+xml")
    page = render_page(Evidence(**{**vars(evidence), "study": study}))
    assert expected in Elements(page).text


def test_what_pruning_left_out_is_said_in_the_report_as_it_is(make_evidence: Make) -> None:
    text = Elements(render_page(make_evidence())).text
    assert "Left out before the trials: top-3 at 0.001, knn 0.700, 0.900 up to <b>." in text


def test_a_study_that_kept_no_scores_of_its_depths_is_reported_without_them(make_evidence: Make) -> None:
    evidence = make_evidence()
    study = {key: value for key, value in evidence.study.items() if key not in ("boundary_scores", "left_out")}
    page = render_page(Evidence(**{**vars(evidence), "study": study}))
    assert "This study kept no scores of its depths." in Elements(page).text
