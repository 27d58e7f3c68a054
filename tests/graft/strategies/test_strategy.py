from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graft.errors import CatalogError
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
    rates = [leg.rate_of(group) for group in FIVE[:-1]]
    assert rates[-1] == pytest.approx(1 / 2.6)
    assert all(above == pytest.approx(2.6 * below) for below, above in pairwise(rates))


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
def test_only_a_head_that_is_newer_than_what_is_below_it_learns_faster(strategy):
    legs = resolve(strategy, FIVE, 10, proposed="block 2")
    assert {leg.rate_of("head") for leg in legs} == {10.0 if strategy.begins == "source" else 1.0}
    assert all(leg.rate_of(group) <= 1 for leg in legs for group in leg.groups[:-1])


def test_a_proposed_block_must_be_proposed():
    with pytest.raises(ValueError, match="none was proposed"):
        resolve(STRATEGIES["surgical"], FIVE, 10)


@pytest.mark.parametrize(
    "name", ["top-0", "top-", "top-1.5", "bottom-1", "last 0 %", "top-101%", "last", "layers:", "layers: +", "block 1"]
)
def test_no_other_name_is_a_strategy(name):
    with pytest.raises(KeyError):
        find_strategy(name)


def test_the_last_blocks_are_named_by_number_or_by_share():
    assert find_strategy("last 3").phases == find_strategy("top-3").phases == find_strategy("last 3 blocks").phases
    assert find_strategy("top-25%").phases == find_strategy("last 25 %").phases
    assert find_strategy("top-25%").phases[0].blocks == ("last 25 %",)


def test_layers_are_named_in_words_that_the_network_is_asked_for():
    strategy = find_strategy("layers: block 1+  *.layer.2.* ")
    assert strategy.phases[0].blocks == ("block 1", "*.layer.2.*")
    asked = []
    (leg,) = resolve(strategy, FIVE, 10, select=lambda words: asked.append(words) or ["block 3", "block 1"])
    assert (leg.groups, asked) == (("block 1", "block 3", "head"), [("block 1", "*.layer.2.*")])
    with pytest.raises(ValueError, match="nothing was given to find them with"):
        resolve(strategy, FIVE, 10)


def test_more_blocks_than_a_network_has_are_no_plan_for_it():
    assert trained("top-2", ["stem", "block 1", "block 2", "head"]) == [("block 1", "block 2", "head")]
    with pytest.raises(CatalogError, match="2 blocks are asked for; this backbone has 1"):
        trained("top-2", ["stem", "block 1", "head"])


def test_any_strategy_may_begin_from_the_champion_whose_head_is_not_new():
    strategy = find_strategy("champion:last 2")
    assert (strategy.name, strategy.begins) == ("champion:last 2", "champion")
    (leg,) = resolve(strategy, FIVE, 10)
    assert (leg.groups, leg.head) == (("block 2", "block 3", "head"), 1.0)
    assert len(find_strategy("champion:lp-ft").phases) == 2


@pytest.mark.parametrize("name", ["scratch", "head2toe", "all-boundaries", "champion:full", "nothing", ""])
def test_what_is_not_begun_from_the_source_is_not_begun_from_the_champion_either(name):
    with pytest.raises(KeyError):
        find_strategy(f"champion:{name}")


def test_only_the_control_begins_from_random_weights():
    assert [name for name, strategy in STRATEGIES.items() if strategy.begins != "source"] == ["scratch"]


@given(name=st.sampled_from(sorted(STRATEGIES)), blocks=st.integers(2, 40), steps=st.integers(1, 500))
def test_steps_add_up_and_the_head_always_trains(name, blocks, steps):
    groups = ["stem", *(f"block {i + 1}" for i in range(blocks)), "head"]
    legs = resolve(STRATEGIES[name], groups, steps, proposed="block 1")
    assert sum(leg.steps for leg in legs) == steps
    assert len(legs) <= count_parts(STRATEGIES[name], groups)
    assert all(leg.groups[-1] == "head" for leg in legs)
    if name != "surgical":
        assert all(leg.groups == tuple(groups[-len(leg.groups) :]) for leg in legs)
