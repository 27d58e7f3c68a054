from dataclasses import replace

import pytest

from graft.catalog import Study
from graft.errors import CatalogError
from graft.study.budget import refuse, require_one_round
from graft.study.trial import Bench, Recording
from tests.graft.study.test_halving import A, B, outcomes
from tests.graft.study.test_study import bench, replace_study, run  # noqa: F401

C = replace(B, role="control", strategy="scratch")
THREE = ("linear-probe", "top-1", "full")


def spent(seconds, each):
    """Outcomes of A, B and the control after so many rounds, each trial of so many seconds."""
    return {one: [replace(row, seconds=seconds) for row in outcomes(*[0.5] * each)] for one in (A, B, C)}


def make(recording=None, **budget):
    return Bench(None, None, None, (), None, Study(seeds=2, **budget), None, recording=recording)


def test_one_trial_for_everyone_must_fit_before_anything_is_trained():
    require_one_round(Study(max_trials=3), [A, B, C])
    with pytest.raises(CatalogError, match="2 trials are too few for one trial of each candidate") as raised:
        require_one_round(Study(max_trials=2, max_steps=300), [A, B, C])
    assert "3 trials of 100 steps are needed: a at 0.001, b at 0.001, scratch at 0.001" in str(raised.value)
    assert "Give at least max_trials: 3, or" in str(raised.value)
    with pytest.raises(CatalogError, match=r"study\.max_steps: 299 steps are too few"):
        require_one_round(Study(max_steps=299), [A, B, C])


@pytest.mark.parametrize(("most", "may"), [(6, True), (5, False), (3, False)])
def test_a_round_is_for_all_or_for_none(most, may):
    assert (refuse(make(max_trials=most), spent(1, 1), [A, B, C]) is None) == may


@pytest.mark.parametrize(("most", "may"), [(330, True), (329, False)])
def test_steps_are_counted_as_they_were_made(most, may):
    """A, B and the control made ten steps each, and make a hundred each in the next round."""
    assert (refuse(make(max_steps=most), spent(1, 1), [A, B, C]) is None) == may


def test_who_was_dropped_leaves_room_for_the_others():
    assert refuse(make(max_trials=5), spent(1, 1), [A, C]) is None


def test_seconds_are_set_aside_for_the_final_models():
    """Three are spent and three more make a round; two seeds of winner, control and source take six at the most."""
    assert refuse(make(max_seconds=12), spent(1, 1), [A, B, C]) is None
    reason = refuse(make(max_seconds=11.9), spent(1, 1), [A, B, C])
    assert reason == (
        "max_seconds is 11.9, 3.0 s were spent, another round takes about 3.0 s and the final models about 6.0 s"
    )
    assert refuse(make(Recording(10, 0.5, 0, 0), max_seconds=12), spent(1, 1), [A, B, C]) is not None


def test_the_first_round_is_run_whatever_it_costs():
    assert refuse(make(max_seconds=0.001, max_trials=1), spent(1, 0), [A, B, C]) is None


def test_the_control_ends_with_the_candidates_and_the_report_says_where(bench):  # noqa: F811
    study = replace_study(strategies=THREE, max_trials=10, halving=1)
    result, finals, steps, total = run(replace(bench, study=study))
    assert [one.trials for one in (*result.standings, *result.control)] == [2, 2, 2, 2]
    assert result.ended == result.notes[-1]
    assert "after 2 of 6 rounds (seed 0, fold 2 would have been next): max_trials is 10, 8 were made" in result.ended
    assert {role for role, _ in finals} >= {"winner", "control"}
    assert (steps[-1], sorted(steps)) == (total, steps)


def test_a_study_that_goes_on_counts_the_seconds_that_it_spent_before(bench):  # noqa: F811
    study = replace_study(strategies=THREE, halving=1)
    whole, _, _, _ = run(replace(bench, study=study))
    first = [row for row in whole.outcomes if row.fold == 0 and row.seed == 0]
    enough = sum(row.seconds for row in first) + 0.001  # for a round, and for nothing more
    again, _, _, _ = run(replace(bench, study=study.model_copy(update={"max_seconds": enough})))
    assert [one.trials for one in (*again.standings, *again.control)] == [1, 1, 1, 1]
    assert "depends on the speed of the machine" in again.notes[-1]
