from dataclasses import replace

import pytest

from graft.study.forgetting import drop_within, select_within
from tests.graft.study.test_halving import candidate, outcomes


def trials(metrics, lost):
    return [replace(one, forgetting=value) for one, value in zip(outcomes(*metrics), lost, strict=True)]


PROBE, TOP, FULL, DEEP = (
    candidate(name, cost) for name, cost in (("probe", 1), ("top-1", 2), ("full", 3), ("deep", 4))
)
ROWS = {
    PROBE: trials((0.5, 0.52), (0, 0)),
    TOP: trials((0.7, 0.72), (0.01, 0.02)),
    FULL: trials((0.9, 0.91), (0.2, 0.3)),
    DEEP: trials((0.8, 0.81), (0.03, 0.09)),
}


def test_without_a_budget_forgetting_is_told_and_decides_nothing():
    standings, notes = select_within(ROWS, True, {}, None)
    assert (standings[0].candidate, notes) == (FULL, [])
    assert [round(one.forgetting, 3) for one in standings] == [0.25, 0.06, 0.015, 0]
    assert drop_within(ROWS, 2, True, None).keys() == {PROBE, TOP}


def test_the_best_of_those_within_the_budget_is_chosen_and_the_reasons_say_why():
    standings, notes = select_within(ROWS, True, {}, 0.05)
    assert (standings[0].candidate, notes) == (TOP, [])
    assert standings[0].reason == "best mean; forgets 0.015 ± 0.005 where the budget is 0.05"
    found = {one.candidate: (one.decision, one.reason) for one in standings}
    assert found[FULL] == ("forgetful", "forgets 0.250 ± 0.050 where the budget is 0.05")
    assert found[DEEP] == ("forgetful", "forgets 0.060 ± 0.030 where the budget is 0.05")
    assert found[PROBE][0] == "compared"


def test_a_mean_within_the_budget_is_not_enough_when_one_standard_error_more_is_above():
    assert select_within(ROWS, True, {}, 0.07)[0][0].candidate is TOP
    assert select_within(ROWS, True, {}, 0.09)[0][0].candidate is DEEP


def test_a_probe_moves_nothing_and_is_within_any_budget():
    standings, notes = select_within(ROWS, True, {}, 0.0)
    assert (standings[0].candidate, notes) == (PROBE, [])


def test_where_none_is_within_the_budget_the_one_that_forgets_least_is_taken_and_it_is_said():
    rows = {one: ROWS[one] for one in (TOP, FULL, DEEP)}
    standings, notes = select_within(rows, True, {}, 0.001)
    assert standings[0].candidate is TOP
    assert standings[0].reason == "forgets least, but forgets 0.015 ± 0.005 where the budget is 0.001"
    assert notes == [
        "no candidate is within the forgetting budget; top-1 is taken: forgets 0.015 ± 0.005 where the budget is 0.001"
    ]
    assert {one.decision for one in standings[1:]} == {"forgetful"}


def test_only_those_within_the_budget_are_measured_against_each_other():
    """Of all four the probe and top-1 would go, and nothing that may be chosen would be left."""
    found = drop_within(ROWS, 2, True, 0.05)
    assert found.keys() == {FULL}
    assert found[FULL] == "dropped after 2 trials: forgets 0.250 ± 0.050 where the budget is 0.05"


def test_the_safest_goes_on_however_far_behind_it_is():
    within = {one: ROWS[one] for one in (PROBE, TOP)}
    assert drop_within(within, 2, True, None).keys() == {PROBE}
    assert drop_within(within, 2, True, 0.05) == {}
    worse = replace(PROBE, learning_rate=1.0)
    rows = {**within, worse: trials((0.3, 0.3), (0, 0))}
    assert drop_within(rows, 3, True, 0.05).keys() == {worse}


def test_where_all_forget_too_much_those_go_on_that_forget_least():
    rows = {one: ROWS[one] for one in (TOP, FULL)}
    assert drop_within(rows, 2, True, 0.001).keys() == {FULL}


@pytest.mark.parametrize(("one_in", "rows"), [(1, ROWS), (2, {one: trials([0.5], [0.9]) for one in (TOP, FULL)})])
def test_nobody_is_dropped_when_halving_is_off_or_it_is_too_early(one_in, rows):
    assert drop_within(rows, one_in, True, 0.05) == {}


def test_who_was_dropped_is_neither_chosen_nor_called_forgetful():
    standings, _ = select_within(ROWS, True, {FULL: "dropped after 2 trials"}, 0.05)
    assert [one.decision for one in standings if one.candidate is FULL] == ["dropped"]


def test_a_loss_that_rises_is_forgetting_and_lower_scores_are_better():
    rows = {TOP: trials((0.3, 0.31), (0.5, 0.5)), FULL: trials((0.2, 0.21), (1.5, 1.5))}
    assert select_within(rows, False, {}, 1.0)[0][0].candidate is TOP
    assert select_within(rows, False, {}, 2.0)[0][0].candidate is FULL
