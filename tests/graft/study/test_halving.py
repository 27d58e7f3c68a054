import pytest

from graft.strategies import Leg
from graft.study.candidates import Candidate
from graft.study.halving import drop, is_rung
from graft.study.selection import select
from graft.study.trial import Outcome


def candidate(name, cost=10):
    return Candidate("candidate", name, 1e-3, (Leg(("head",), 1),), None, ("head",), cost)


def outcomes(*metrics):
    return [
        Outcome("candidate", "", 0, seed, 0, 10, value, 0, 0, 0, 0, [], [], []) for seed, value in enumerate(metrics)
    ]


A, B, C, D = (candidate(name) for name in "abcd")
APART = {A: outcomes(0.9, 0.91), B: outcomes(0.8, 0.81), C: outcomes(0.7, 0.71), D: outcomes(0.6, 0.61)}


def test_the_better_half_goes_on():
    assert set(drop(APART, 2, True)) == {C, D}
    assert set(drop(APART, 2, False)) == {A, B}
    assert set(drop(APART, 4, True)) == {B, C, D}


def test_the_rungs_double():
    assert [rounds for rounds in range(20) if is_rung(rounds)] == [2, 4, 8, 16]


def test_an_error_of_few_trials_counts_for_more():
    """Behind by 0.2 with a standard error of 0.15: too far after many trials, not after two."""
    two = {A: outcomes(0.9, 0.9), B: outcomes(0.85, 0.55)}
    many = {A: outcomes(*[0.9] * 16), B: outcomes(*[0.9 - 0.2 - 0.6, 0.9 - 0.2 + 0.6] * 8)}
    assert drop(two, 2, True) == {}
    assert set(drop(many, 2, True)) == {B}


def test_a_reason_says_by_how_much():
    apart = APART | {D: outcomes(0.6, 0.63)}
    assert drop(apart, 2, True)[D] == "dropped after 2 trials: 0.290 ± 0.010 behind a"


def test_whoever_could_still_be_chosen_goes_on():
    close = {A: outcomes(0.7, 0.9), B: outcomes(0.72, 0.74), C: outcomes(0.71, 0.72), D: outcomes(0.6, 0.61)}
    assert set(drop(close, 4, True)) == {D}
    cheap = candidate("cheap", cost=1)
    running = {A: close[A], cheap: close[C]}
    assert select(running, True)[0].candidate is cheap


@pytest.mark.parametrize(
    ("one_in", "rows"), [(1, APART), (2, {A: outcomes(0.9), B: outcomes(0.1)}), (2, {A: APART[A]})]
)
def test_nobody_is_dropped_when_it_is_off_or_too_early_or_there_is_only_one(one_in, rows):
    assert drop(rows, one_in, True) == {}


def test_who_was_dropped_cannot_be_chosen_however_good_its_first_trials_were():
    rows = {A: outcomes(0.9, 0.9), B: outcomes(0.5, 0.5, 0.5)}
    standings = select(rows, True, {A: "dropped after 2 trials"})
    assert [standing.candidate for standing in standings] == [B, A]
    assert standings[0].kept
    assert standings[1].reason == "dropped after 2 trials"


def test_one_trial_that_tells_two_apart_drops_nobody():
    """A best that is always right has no error of its own; what counts is the difference."""
    right = {A: outcomes(1.0, 1.0, 1.0, 1.0), B: outcomes(1.0, 0.75, 1.0, 1.0), C: outcomes(0.75, 0.75, 1.0, 0.75)}
    assert set(drop(right, 3, True)) == {C}
