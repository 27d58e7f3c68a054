from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graft.report.page import render_page
from graft.report.pareto import Dot, mark_frontier, pareto_figure
from tests.graft.report.conftest import evidence


def dot(x, y, name=""):
    return Dot(x, y, name, "candidate", False, False)


def row(strategy, mean, flops, kept=False, forgetting=None, rate=1e-3):
    return {
        "strategy": strategy, "learning_rate": rate, "mean": mean, "flops": flops, "seconds": flops / 1e6,
        "kept": kept, "dropped": False, "forgetting": forgetting,
    }  # fmt: skip


SEVEN = [
    row("linear-probe", 0.7, 1e6, forgetting=0.0),
    row("top-1", 0.84, 2e8, forgetting=0.03),
    row("top-2", 0.95, 3e8, kept=True, forgetting=0.09),
    row("top-half", 0.95, 3e8, forgetting=0.09),
    row("full", 0.975, 6e8, forgetting=0.3),
    row("lp-ft", 0.93, 4e8, forgetting=0.2),
    row("scratch", 0.81, 6e8, kept=True),
]
MANY = [
    row(f"layers:block {place} + block {place + 1}", 0.6 + 0.3 * (place * 7 % 11) / 11, 1e8 + 9e6 * place, place == 20,
        (place * 5 % 13) / 40, rate)
    for place in range(18)
    for rate in (1e-3, 3e-3)
] + [row("scratch", 0.75, 2.9e8, True)]  # fmt: skip


def test_the_frontier_is_whom_nobody_beats():
    dots = [dot(1, 0.5, "a"), dot(2, 0.7, "b"), dot(3, 0.6, "c"), dot(2, 0.6, "d"), dot(4, 0.7, "e"), dot(2, 0.7, "f")]
    assert [one.name for one in mark_frontier(dots, higher_is_better=True) if one.first] == ["a", "b", "f"]
    assert [one.name for one in mark_frontier(dots, higher_is_better=False) if one.first] == ["a"]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30))
def test_whoever_is_not_on_the_frontier_is_beaten_by_one_who_is(points):
    dots = mark_frontier([dot(x, y) for x, y in points], higher_is_better=True)
    first = [one for one in dots if one.first]
    for one in dots:
        beaten = any(other.x <= one.x and other.y >= one.y and (other.x, other.y) != (one.x, one.y) for other in first)
        assert beaten != one.first


@pytest.mark.parametrize("candidates", [SEVEN, MANY], ids=["7", "37"])
def test_names_overlap_neither_each_other_nor_a_dot_and_nobody_that_matters_lacks_one(candidates):
    figure = pareto_figure(candidates, "accuracy", "accuracy")
    assert len(figure.axes) == 2
    for axes in figure.axes:
        boxes = [text.get_window_extent() for text in axes.texts if text.arrow_patch is None]
        assert not [1 for i, one in enumerate(boxes) for other in boxes[:i] if one.overlaps(other)]
        bold = [text.get_text() for text in axes.texts if text.get_fontweight() == "bold"]
        assert len(bold) == sum(one["kept"] and one["strategy"] != "scratch" for one in candidates)
    written = {text.get_text().split("  ")[0] for text in figure.axes[0].texts}
    assert "scratch" in written
    assert "scratch" not in {text.get_text().split("  ")[0] for text in figure.axes[1].texts}
    if candidates is SEVEN:
        assert written == {one["strategy"] for one in SEVEN}


def test_without_flops_time_is_the_cost_and_without_either_nothing_is_drawn():
    timed = [{**one, "flops": None, "forgetting": None} for one in SEVEN]
    (axes,) = pareto_figure(timed, "accuracy", "loss").axes
    assert axes.get_xlabel() == "time of a trial"
    assert pareto_figure([{**one, "seconds": None} for one in timed], "accuracy", "loss") is None
    assert pareto_figure(SEVEN[:1], "accuracy", "loss") is None


def test_the_report_draws_it_where_it_is_asked_for_and_the_costs_are_known():
    known = evidence()
    known = replace(
        known, study={**known.study, "candidates": [{**one, "flops": 1e6} for one in known.study["candidates"]]}
    )
    assert 'id="pareto"' in render_page(known)
    assert 'id="pareto"' not in render_page(replace(known, drawn=()))
    assert 'id="pareto"' not in render_page(evidence())


def test_costs_that_are_nearly_the_same_have_labels_that_differ():
    alike = [row("full", 0.9, 1.398e11, kept=True), row("scratch", 0.8, 1.39e11)]
    figure = pareto_figure(alike, "accuracy", "loss")
    figure.canvas.draw()
    shown = [label.get_text() for label in figure.axes[0].get_xticklabels() if label.get_text()]
    assert len(shown) == len({*shown}) > 1
