"""Answers made by hand: what they were worth can be counted on one's fingers."""

import numpy as np
import pytest

from bench import decisions, forest, tables, tally
from bench.answers import Answer, Tried, Truth, gain_error
from bench.rules import choose
from bench.worse import Gated, confront, with_noise
from graft.catalog import Study


def tried(strategy, cost, *metrics, decision="compared"):
    trials = tuple((number // 2, number % 2, metric) for number, metric in enumerate(metrics))
    return Tried(strategy=strategy, cost=cost, decision=decision, trials=trials)


TRIED = (
    tried("linear-probe", 1, 0.50, 0.60, 0.70, 0.60),  # 0.60; behind full by 0.04 in each trial
    tried("top-1", 2, 0.70, 0.60, 0.50, 0.72),  # 0.63; behind full by -0.16, 0.04, 0.24, -0.08: 0.01 on average
    tried("full", 3, 0.54, 0.64, 0.74, 0.64),  # 0.64, with a standard error of 0.0408
    tried("lp-ft", 3, 0.99, decision="dropped"),
)
WORTH = {"linear-probe": 0.70, "top-1": 0.76, "full": 0.78, "lp-ft": 0.74, "scratch": 0.75}


def answer(low, high, truth, error=0.001, chosen="full", gated=(), **changes):
    facts = {
        "pair": "a → b", "nature": "far", "draw": 0, "chosen": chosen, "verdict": "helps", "margin": 0.01,
        "gain": (low + high) / 2, "low": low, "high": high, "true_gain": truth, "true_error": error,
        "test_rows": 10, "truth_rows": 20, "forgetting": 0.1, "forgetting_metric": "accuracy", "trials": 9,
        "seconds": 3.0, "tried": TRIED, "gated": gated,
        "truths": tuple(Truth(strategy=name, accuracies=(mean - 0.01, mean + 0.01)) for name, mean in WORTH.items()),
    }  # fmt: skip
    return Answer(**{**facts, **changes})


HELPS, HURTS, NOT_SURE, WRONG = (
    answer(0.02, 0.06, 0.05),
    answer(-0.06, -0.02, -0.05, verdict="hurts"),
    answer(-0.03, 0.05, 0.03, verdict="cannot-tell"),
    answer(0.02, 0.06, 0.0),
)
ANSWERS = (HELPS, HURTS, NOT_SURE, WRONG)


def test_verdicts_are_counted_by_what_is_true():
    counts = tally.confusion(ANSWERS, 0.01)
    assert counts == {
        ("helps", "helps"): 1, ("hurts", "hurts"): 1, ("helps", "cannot-tell"): 1, ("neutral", "helps"): 1
    }  # fmt: skip
    assert tally.precision(counts, "helps") == (1, 2)
    assert tally.recall(counts, "helps") == (1, 2)
    assert tally.precision(counts, "neutral") == (0, 0)
    assert tally.recall(counts, "neutral") == (0, 1)


def test_a_wider_margin_asks_the_same_intervals_for_another_word():
    counts = tally.confusion([answer(-0.02, 0.02, 0.0)], 0.05)
    assert counts == {("neutral", "neutral"): 1}


@pytest.mark.parametrize(("error", "sure"), [(0.01, True), (0.0205, False)])
def test_a_truth_of_0_05_is_sure_to_help_as_long_as_its_interval_ends_above_the_margin(error, sure):
    assert tally.is_sure(answer(0.02, 0.06, 0.05, error), 0.01) is sure  # 0.05 - 1.96 * 0.0205 is 0.0098


def test_an_interval_covers_what_it_holds_ends_included():
    assert tally.covered([*ANSWERS, answer(0.05, 0.06, 0.05)]) == 4  # all but WRONG


def test_of_perfect_intervals_an_uncertain_truth_leaves_fewer_than_95_percent():
    assert tally.expected_coverage([answer(-0.0196, 0.0196, 0, error=0)]) == pytest.approx(0.95, abs=1e-3)
    # as uncertain as the interval itself: 1.96 / sqrt(2) standard deviations hold 83.4 %
    assert tally.expected_coverage([answer(-0.0196, 0.0196, 0, error=0.01)]) == pytest.approx(0.834, abs=1e-3)


def test_regret_is_what_the_best_candidate_has_over_the_choice_and_the_control_is_none():
    assert tally.regret(HELPS, "full") == 0
    assert tally.regret(HELPS, "linear-probe") == pytest.approx(0.08)
    assert tally.regret(HELPS, tally.POLICIES["always probe (linear-probe)"](HELPS)) == pytest.approx(0.08)
    assert tally.regret(answer(0, 0, 0, chosen="lp-ft"), "lp-ft") == pytest.approx(0.04)


@pytest.mark.parametrize(
    ("rule", "chosen"),
    [
        ("best mean", "full"),
        ("one standard error", "linear-probe"),  # 0.04 behind, and the best's own error is 0.0408
        ("one standard error, paired", "top-1"),  # the probe is 0.04 behind every time, top-1 by 0.01 ± 0.087
    ],
)
def test_each_rule_chooses_as_it_says_and_never_what_was_dropped(rule, chosen):
    assert choose(rule, TRIED) == chosen
    assert tally.POLICIES[f"rule: {rule}"](HELPS) == chosen


def test_the_error_of_a_gain_has_seeds_and_rows():
    ours = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], bool)  # 0.75 and 0.5: variance of a mean 0.03125 / 2
    theirs = np.array([[1, 1, 0, 0], [1, 1, 0, 0]], bool)
    # by row 0, 0, 0.5, 0: variance 0.0625, over 4 rows
    assert gain_error(ours, theirs) == pytest.approx((0.03125 / 2 + 0.0625 / 4) ** 0.5)


def test_a_model_that_is_worse_on_every_row_never_passes_and_a_better_one_always_does():
    good, bad = np.ones(50, bool), np.zeros(50, bool)
    met = confront("broken", good, bad, 0, draws=3, rows=40)
    assert (met.damage, met.draws) == (1.0, 3)
    assert (met.worse_passed, met.worse_passed_usual, met.better_passed, met.better_passed_usual) == (0, 0, 3, 3)


def test_a_tie_passes_by_the_usual_rule_alone():
    same = np.ones(50, bool)
    met = confront("nothing", same, same, 0, draws=2, rows=40)
    assert (met.worse_passed, met.worse_passed_usual) == (0, 2)


def test_rates_at_the_gate_are_those_of_all_tests_of_about_that_difference():
    met = {"draws": 10, "better_passed": 6, "better_passed_usual": 9}
    gated = [
        Gated(change="x", damage=0.012, worse_passed=1, worse_passed_usual=4, **met),
        Gated(change="y", damage=0.019, worse_passed=0, worse_passed_usual=2, **met),
        Gated(change="z", damage=0.05, worse_passed=0, worse_passed_usual=0, **met),
    ]
    rates = {(low, high): (tests, shares) for low, high, tests, shares in tally.gate_rates(gated)}
    assert rates[0.01, 0.02] == (20, pytest.approx([0.05, 0.3, 0.6, 0.9]))
    assert rates[0.0025, 0.01] == (0, [])


def test_noise_moves_weights_by_its_share_and_leaves_the_model_itself_alone():
    import torch

    model = torch.nn.Linear(200, 200)
    before = model.weight.detach().clone()
    moved = with_noise(model, 0.1, 0).weight - before
    assert torch.equal(model.weight, before)
    assert float((moved.std() / before.std()).detach()) == pytest.approx(0.1, rel=0.02)


def test_the_guard_is_broken_by_a_word_that_says_the_opposite_of_what_is_true(monkeypatch):
    opposite = answer(0.02, 0.06, -0.05)
    for answers, holds in ((ANSWERS, True), ((*ANSWERS, opposite), False)):
        monkeypatch.setattr(decisions, "ask", lambda quick, answers=answers: list(answers))
        conclusion = decisions.conclude([], quick=True)
        assert conclusion.guards[0].holds is holds
    assert conclusion.forest is not None
    assert len(conclusion.forest.rows) == 5
    assert forest.draw(conclusion.forest).startswith(b"\x89PNG")


def test_tables_say_who_was_right_and_leave_room_for_a_truth_that_is_not_sure():
    found = {table.title: table for table in tables.tables(ANSWERS, Study())}
    agrees = [row[7] for row in found["Every study"].rows]
    assert agrees == [
        "yes: truly helps", "yes: truly hurts", "cannot tell: truly helps", "**no**: truly neutral"
    ]  # fmt: skip
    assert found["Every study"].rows[0][5:7] == ("+4.0 (+2.0 to +6.0)", "+5.0 ± 0.1")
    assert found["Verdicts at a margin of 1 point"].rows[0] == (
        "truly helps", "1", "0", "0", "1", "1 of 2 (50 %)", "1 of 2 (50 %)"
    )  # fmt: skip
    choices = {row[0]: row[1:] for row in found["Choices"].rows}
    assert choices["always probe (linear-probe)"] == ("8.00", "8.00", "0 of 4")
    assert choices["the study"] == ("0.00", "0.00", "4 of 4")
    unsure = answer(0.02, 0.06, 0.011, error=0.01)
    assert tables.tables([unsure], Study())[0].rows[0][7] == "(yes: truly helps)"


def test_another_line_of_code_asks_everything_anew():
    paths = {decisions._path(code, 0, 0, Study(), 10) for code in ("a", "a", "b")}
    assert len(paths) == 2
