from dataclasses import replace

import numpy as np

from graft.report import style
from graft.report.page import render_page
from graft.report.robustness import MEAN, against_control, corruptions_figure, list_conditions
from tests.graft.report.conftest import evidence
from tests.graft.report.test_page import Elements

UNMEASURED = ("robustness", "robustness_rows", "robustness_clean", "robustness_clean_scratch")


def panels(figure):
    return {axes.get_title(loc="left"): axes for axes in figure.axes if axes.get_visible()}


def test_every_corruption_has_a_panel_on_the_same_axes_and_the_mean_comes_last():
    for modality, count in (("image", 8), ("text", 5)):
        found = panels(corruptions_figure(evidence(modality).robustness))
        assert len(found) == count
        assert list(found)[-1] == MEAN
        assert len({(axes.get_xlim(), axes.get_ylim()) for axes in found.values()}) == 1


def test_a_line_goes_from_the_rows_as_they_are_to_the_fifth_severity():
    found = panels(corruptions_figure(evidence().robustness))
    transfer = found["contrast"].lines[0]
    assert np.asarray(transfer.get_xdata()).tolist() == [0, 1, 2, 3, 4, 5]
    assert np.allclose(transfer.get_ydata(), [90, 81, 72, 63, 54, 45])
    mean = found[MEAN].lines[0]
    assert np.allclose(mean.get_ydata(), [90 - severity * (9 + 6 * 2) / 7 for severity in range(6)])


def test_a_source_that_is_the_winner_is_drawn_once():
    points = [one for one in evidence().robustness if one.arm != "source"]
    same = [*points, *(replace(one, arm="source") for one in points if one.arm == "transfer")]
    assert len(panels(corruptions_figure(same))["noise"].lines) == 2
    assert len(panels(corruptions_figure(evidence().robustness))["noise"].lines) == 3


def test_the_same_points_give_the_same_bytes():
    assert style.svg(corruptions_figure(evidence().robustness)) == style.svg(corruptions_figure(evidence().robustness))


def test_the_sentence_counts_where_transfer_is_ahead_and_names_both_ends():
    said = against_control(evidence().robustness)
    assert said == (
        "Transfer is ahead of the control in 30 of 35 settings; the difference goes from −29.0 points"
        " (contrast, severity 5) to +6.0 points (pixelate, severity 5)."
    )


def test_what_is_no_share_differs_in_its_own_unit():
    said = against_control(evidence().robustness, "loss", rises=False)
    assert said.endswith("from −0.060 (blur, severity 1) to +0.290 (contrast, severity 5).")


def test_conditions_are_what_was_measured_in_order():
    given = evidence()
    assert [one.prefix for one in list_conditions(given.metrics)] == [
        "robustness", "shift_photos", "worst_group",
    ]  # fmt: skip
    without = {key: value for key, value in given.metrics.items() if not key.startswith("shift_")}
    assert list_conditions({**without, **dict.fromkeys(UNMEASURED), "worst_group": None}) == []


def test_the_page_tells_corruptions_shift_sets_and_worst_group_and_runs_nothing_of_a_groups_name():
    page = render_page(evidence())
    assert "<b>, 31 rows" not in page
    text = Elements(page).text
    for part in ("500 test rows, corrupted in 7 ways", "shift set photos", "<b>, 31 rows", "+11.5 points", "0.164"):
        assert part in text, part


def test_what_was_not_measured_is_said():
    given = evidence()
    bare = {**given.metrics, **dict.fromkeys(UNMEASURED), "worst_group": None, "groups": 0}
    text = Elements(render_page(replace(given, metrics=bare, robustness=[]))).text
    assert "Corruptions were not measured: evaluation.robustness_rows is 0" in text
    assert "too few rows to say which group is the worst" in text
    assert "test rows as they are" in text
