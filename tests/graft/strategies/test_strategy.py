from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graft.strategies import STRATEGIES, count_parts, find_strategy, resolve

FIVE = ["stem", "block 1", "block 2", "block 3", "head"]


def trained(name, groups=FIVE):
    return [leg.groups for leg in resolve(find_strategy(name), groups, 10, proposed="block 2")]


def test_what_each_strategy_trains():
    assert trained("linear-probe") == [("head",)]
    assert trained("top-1") == [("block 3", "head")]
    assert trained("top-2") == [("block 2", "block 3", "head")]
    assert trained("top-half") == [("block 2", "block 3", "head")]
    assert trained("full") == trained("scratch") == [tuple(FIVE)]
    assert trained("top-3") == [("block 1", "block 2", "block 3", "head")]
    assert trained("lp-ft") == trained("wise-ft") == [("head",), tuple(FIVE)]
    assert trained("gradual") == [tuple(FIVE[first:]) for first in (4, 3, 2, 1, 0)]
    assert trained("surgical") == [("block 2", "head")]


def test_the_lower_a_group_the_slower_it_trains():
    (leg,) = resolve(STRATEGIES["discriminative"], FIVE, 10)
    rates = [leg.rate_of(group) for group in FIVE]
    assert rates[-1] == 1
    assert all(above == pytest.approx(2.6 * below) for below, above in pairwise(rates))


def test_a_proposed_block_must_be_proposed():
    with pytest.raises(ValueError, match="none was proposed"):
        resolve(STRATEGIES["surgical"], FIVE, 10)


@pytest.mark.parametrize("name", ["top-0", "top-", "top-1.5", "bottom-1"])
def test_only_whole_numbers_of_blocks_are_a_strategy(name):
    with pytest.raises(KeyError):
        find_strategy(name)


def test_the_stem_trains_only_with_everything():
    assert trained("top-2", ["stem", "block 1", "head"]) == [("block 1", "head")]


def test_only_the_control_begins_from_random_weights():
    assert [name for name, strategy in STRATEGIES.items() if not strategy.pretrained] == ["scratch"]


@given(name=st.sampled_from(sorted(STRATEGIES)), blocks=st.integers(1, 40), steps=st.integers(1, 500))
def test_steps_add_up_and_the_head_always_trains(name, blocks, steps):
    groups = ["stem", *(f"block {i + 1}" for i in range(blocks)), "head"]
    legs = resolve(STRATEGIES[name], groups, steps, proposed="block 1")
    assert sum(leg.steps for leg in legs) == steps
    assert len(legs) <= count_parts(STRATEGIES[name], groups)
    assert all(leg.groups[-1] == "head" for leg in legs)
    if name != "surgical":
        assert all(leg.groups == tuple(groups[-len(leg.groups) :]) for leg in legs)
