"""What is promoted, and what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graft.catalog import Gates
from graft.errors import RegistryError
from graft.problems.grades import Grades
from graft.registry.comparison import Pairs
from graft.registry.gates import evaluate

GOOD = {"verdict": "helps", "gain": 0.05, "forgetting": 0.01, "ece_calibrated": 0.03, "sensitivity": 0.9}
EVERY = Gates(min_gain=0.01, max_forgetting=0.02, max_ece=0.1, min_sensitivity=0.85)


def ask(gates=EVERY, challenge=None, **metrics):
    return {gate.gate: gate for gate in evaluate(gates, {**GOOD, **metrics}, challenge, 500, 0.95)}


def pairs(candidate, champion):
    return Pairs(Grades.of(candidate), Grades.of(champion), excluded=0, predicted=0)


def test_a_first_version_that_meets_every_gate_passes_them_all():
    results = ask()
    assert set(results) == {"verdict", "min_gain", "max_forgetting", "max_ece", "min_sensitivity", "champion"}
    assert all(gate.passed and gate.reason for gate in results.values())
    assert "no champion yet" in results["champion"].reason


def test_gates_that_are_not_asked_are_not_reported():
    assert set(ask(Gates(), forgetting=None)) == {"verdict", "min_gain", "champion"}


@pytest.mark.parametrize(
    ("gate", "metrics"),
    [
        ("verdict", {"verdict": "neutral"}),
        ("min_gain", {"gain": 0.0099}),
        ("max_forgetting", {"forgetting": 0.021}),
        ("max_ece", {"ece_calibrated": 0.11}),
        ("min_sensitivity", {"sensitivity": 0.849}),
    ],
)
def test_each_gate_fails_alone_and_says_what_it_found_and_asked(gate, metrics):
    results = ask(**metrics)
    assert [name for name, result in results.items() if not result.passed] == [gate]
    assert results[gate].found in results[gate].reason
    assert results[gate].required in results[gate].reason


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), "0.5", True])
@pytest.mark.parametrize(
    ("gate", "key"),
    [
        ("min_gain", "gain"),
        ("max_forgetting", "forgetting"),
        ("max_ece", "ece_calibrated"),
        ("min_sensitivity", "sensitivity"),
    ],
)
def test_what_was_not_measured_fails(gate, key, value):
    result = ask(**{key: value})[gate]
    assert not result.passed
    assert f"'{key}' was not measured" in result.reason


def test_a_missing_verdict_fails():
    assert not ask(verdict=None)["verdict"].passed


def test_limits_themselves_pass():
    assert all(gate.passed for gate in ask(gain=0.01, forgetting=0.02, ece_calibrated=0.1, sensitivity=0.85).values())


@given(st.lists(st.booleans(), min_size=1, max_size=200), st.floats(0, 0.5))
def test_a_tie_never_promotes_whatever_the_margin(right, margin):
    result = ask(Gates(non_inferiority_margin=margin), lambda: pairs(right, right))["champion"]
    assert not result.passed
    assert "a tie" in result.reason


def test_a_clearly_better_candidate_passes_with_its_numbers():
    result = ask(challenge=lambda: pairs([True] * 90 + [False] * 10, [True] * 60 + [False] * 40))["champion"]
    assert result.passed
    assert result.numbers["difference"] == pytest.approx(0.3)
    assert result.numbers["candidate"] == pytest.approx(0.9)
    assert 0 < result.numbers["low"] < 0.3 < result.numbers["high"]


def test_better_on_average_is_not_enough_when_it_could_be_worse():
    candidate, champion = [True] * 11 + [False] * 9, [False] * 9 + [True] * 10 + [False]
    assert sum(candidate) > sum(champion)
    result = ask(challenge=lambda: pairs(candidate, champion))["champion"]
    assert not result.passed
    assert "not sure enough" in result.reason


def test_a_wide_margin_lets_an_uncertain_gain_pass_but_never_a_loss():
    wide = Gates(non_inferiority_margin=0.9)
    better, worse = [True] * 11 + [False] * 9, [False] * 9 + [True] * 10 + [False]
    assert ask(wide, lambda: pairs(better, worse))["champion"].passed
    assert not ask(wide, lambda: pairs(worse, better))["champion"].passed


def test_a_comparison_that_cannot_be_made_fails_with_its_reason():
    def challenge():
        raise RegistryError("the champion's package is gone", ["models/m/x: missing"])

    result = ask(challenge=challenge)["champion"]
    assert not result.passed
    assert "the champion's package is gone" in result.reason
    assert "models/m/x" in result.reason
