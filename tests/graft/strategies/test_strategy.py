from hypothesis import given
from hypothesis import strategies as st

from graft.strategies import STRATEGIES, resolve

FIVE = ["stem", "block 1", "block 2", "block 3", "head"]


def trained(name, groups=FIVE):
    return [leg.groups for leg in resolve(STRATEGIES[name], groups, 10)]


def test_what_each_strategy_trains():
    assert trained("linear-probe") == [("head",)]
    assert trained("top-1") == [("block 3", "head")]
    assert trained("top-2") == [("block 2", "block 3", "head")]
    assert trained("top-half") == [("block 2", "block 3", "head")]
    assert trained("full") == trained("scratch") == [tuple(FIVE)]
    assert trained("lp-ft") == [("head",), tuple(FIVE)]


def test_the_stem_trains_only_with_everything():
    assert trained("top-2", ["stem", "block 1", "head"]) == [("block 1", "head")]


def test_only_the_control_begins_from_random_weights():
    assert [name for name, strategy in STRATEGIES.items() if not strategy.pretrained] == ["scratch"]


@given(name=st.sampled_from(sorted(STRATEGIES)), blocks=st.integers(1, 40), steps=st.integers(1, 500))
def test_steps_add_up_and_the_head_always_trains(name, blocks, steps):
    groups = ["stem", *(f"block {i + 1}" for i in range(blocks)), "head"]
    legs = resolve(STRATEGIES[name], groups, steps)
    assert sum(leg.steps for leg in legs) == steps
    assert all(leg.groups == tuple(groups[-len(leg.groups) :]) for leg in legs)
