import pytest

from graft.strategies import find_strategy, resolve
from graft.study.candidates import Candidate
from graft.study.pruning import FEWEST, note, plain, prune

GROUPS = ["stem", "block 1", "block 2", "block 3", "head"]
ROWS = 200


def candidate(strategy, rate=1e-3, role="candidate"):
    legs = resolve(find_strategy(strategy), GROUPS, 10, "block 1")
    return Candidate(role, strategy, rate, legs, None, (), 1)


CONTROL = candidate("scratch", role="control")
ALL = [*map(candidate, ("linear-probe", "top-1", "top-2", "top-3", "full", "lp-ft")), CONTROL]


def boundaries(**scores):
    """Boundaries from the stem up, each score a list; None is undefined."""
    places = range(len(GROUPS) - 1)
    return [
        {
            "boundary": GROUPS[place],
            "scores": {name: values[place] for name, values in scores.items() if values[place] is not None},
            "undefined": {name: "one class" for name, values in scores.items() if values[place] is None},
        }
        for place in places
    ]


def left_out(candidates=ALL, names=("ridge_probe",), rows=ROWS, **scores):
    staying, out = prune(candidates, GROUPS, boundaries(**scores), names, rows)
    assert [one for one in candidates if one not in staying] == [
        one for one in candidates if one.strategy in {each.strategy for each in out}
    ]
    return [one.strategy for one in out]


def test_a_depth_that_freezes_what_reads_clearly_worse_than_a_lower_one_is_left_out():
    assert left_out(ridge_probe=[0.8, 0.9, 0.9, 0.6]) == ["linear-probe"]


def test_a_depth_is_not_left_out_for_lower_features_that_are_poor_because_what_lies_above_trains():
    assert left_out(ridge_probe=[0.2, 0.4, 0.7, 0.9]) == []


def test_a_head_that_reads_the_lower_features_too_is_not_left_out_for_what_the_last_ones_hide():
    assert left_out([*ALL, candidate("head2toe")], ridge_probe=[0.8, 0.9, 0.9, 0.6]) == ["linear-probe"]


@pytest.mark.parametrize(("rows", "expected"), [(100, []), (1000, ["linear-probe"])])
def test_only_a_difference_of_more_than_two_standard_errors_is_clear(rows, expected):
    assert left_out(ridge_probe=[0.8, 0.8, 0.8, 0.72], rows=rows) == expected


def test_every_chosen_score_must_agree():
    scores = {"ridge_probe": [0.9, 0.9, 0.5, 0.5], "knn": [0.9, 0.9, 0.9, 0.5]}
    assert left_out(names=("ridge_probe", "knn"), **scores) == ["linear-probe"]
    assert left_out(names=("ridge_probe",), **scores) == ["linear-probe", "top-1"]
    assert left_out(names=(), **scores) == []


def test_a_score_that_is_undefined_leaves_nothing_out():
    assert left_out(ridge_probe=[0.9, 0.9, 0.9, None]) == []
    assert left_out(ridge_probe=[None] * 4) == []
    assert left_out(ridge_probe=[None, None, None, 0.1]) == []


def test_the_control_and_what_trains_everything_always_stay():
    scores = boundaries(ridge_probe=[0.9, 0.1, 0.1, 0.1])
    staying, _ = prune([*ALL, candidate("surgical")], GROUPS, scores, ("ridge_probe",), ROWS)
    assert [one.strategy for one in staying] == ["top-3", "full", "lp-ft", "scratch", "surgical"]


def test_where_nothing_trains_everything_the_depth_that_freezes_least_stays_and_two_strategies_at_least():
    worse = {"ridge_probe": [0.9, 0.5, 0.5, 0.5]}
    tried = [*map(candidate, ("linear-probe", "top-1", "top-2")), CONTROL]
    assert left_out(tried, **worse) == ["linear-probe"]
    rates = [candidate(name, rate) for rate in (1e-3, 1e-2) for name in ("linear-probe", "top-1")]
    assert left_out([*rates, CONTROL], **worse) == []
    assert FEWEST == 2


def test_what_is_left_out_is_told_with_its_figures():
    _, (out,) = prune(ALL, GROUPS, boundaries(knn=[0.8, 0.9, 0.9, 0.6]), ("knn",), ROWS)
    said = "knn 0.600 when frozen up to block 3, 0.900 up to block 1"
    assert plain([out]) == [{"strategy": "linear-probe", "learning_rate": 1e-3, "boundary": "block 3", "reason": said}]
    assert note(out) == f"linear-probe at 0.001 was left out by its scores: {said}"


def test_what_a_forgetting_budget_falls_back_on_stays_however_poor_it_reads():
    probe = ALL[0]
    staying, out = prune(ALL, GROUPS, boundaries(ridge_probe=[0.9, 0.9, 0.5, 0.1]), ("ridge_probe",), ROWS, [probe])
    assert probe in staying
    assert [one.strategy for one in out] == ["top-1"]
