import pytest

from bench.harness import Runner, take_turns
from bench.results import Scale, Spread


def test_a_spread_is_the_median_between_the_smallest_and_the_largest():
    assert Spread.of([3.0, 1.0, 10.0]) == Spread(median=3.0, low=1.0, high=10.0)
    assert Spread.of([4.0, 1.0, 2.0, 3.0]).median == 2.5


def test_each_repeat_gives_one_ratio_and_the_first_round_none(compare):
    against = compare([2.0, 1.0, 4.0], peer=[8.0, 3.0, 12.0]).against[0]
    assert against.seconds == (8.0, 3.0, 12.0)
    assert against.ratio == Spread(median=3.0, low=3.0, high=4.0)  # of 4, 3 and 3: not of the medians, 8 over 2


@pytest.mark.parametrize(("aim", "reached"), [(3.0, True), (3.01, False), (None, None)])
def test_an_aim_is_reached_by_the_median(compare, aim, reached):
    assert compare([2.0, 1.0, 4.0], aim=aim, peer=[8.0, 3.0, 12.0]).against[0].reached is reached


def test_less_is_better_on_a_scale_of_costs():
    scale = Scale(words="", unit="%", higher_is_better=False)
    assert scale.reaches(0.01, 0.02)
    assert not scale.reaches(0.03, 0.02)


def test_runners_take_turns_and_every_second_round_runs_backwards():
    called = []
    runners = [Runner(name, lambda name=name: called.append(name)) for name in ("ours", "a", "b")]
    seconds, rounds = take_turns(runners, repeats=3)
    assert called == ["b", "a", "ours", "ours", "a", "b", "b", "a", "ours", "ours", "a", "b"]
    assert {name: len(taken) for name, taken in seconds.items()} == {"ours": 3, "a": 3, "b": 3}
    assert [list(one) for one in rounds] == [["ours", "a", "b"]] * 3


def test_what_is_too_long_to_repeat_runs_once_and_that_counts():
    called = []
    seconds, rounds = take_turns([Runner("ours", lambda: called.append(1))], repeats=1, warm=True)
    assert (len(called), len(seconds["ours"]), len(rounds)) == (1, 1, 1)


def test_what_the_runners_return_goes_to_the_guard(compare):
    assert compare([1.0] * 4, peer=[1.0] * 4).guard.found == "4 rounds"


def test_time_that_passes_is_measured():
    called = iter(range(10**9))
    seconds, rounds = take_turns([Runner("ours", lambda: sum(next(called) for _ in range(1000)))], repeats=1)
    assert seconds["ours"][0] > 0
    assert rounds == [{"ours": sum(range(1000, 2000))}]
