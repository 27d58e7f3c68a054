import dataclasses

import pytest

from bench import prefix
from bench.loaded import Loaded
from graft.problems import PROBLEMS


@pytest.fixture
def sweep(sentences, tokenizer, monkeypatch):
    monkeypatch.setattr(prefix, "SMALL", {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8})
    problem = PROBLEMS["text-classification"]
    loaded = Loaded(problem, tokenizer, problem.encode(sentences, tokenizer), 2, "24 sentences")
    return prefix.Sweep(loaded, quick=True)


@pytest.mark.parametrize("depth", [0, 2])
def test_the_guard_holds_and_notices_another_loss(sweep, depth):
    cached, uncached = sweep.train(depth, sweep.prefix), sweep.train(depth, None)
    assert sweep.boundary(depth) in sweep.prefix.boundaries
    assert prefix._same_losses([{"cached": cached, "uncached": uncached}]).holds
    other = dataclasses.replace(uncached, curve=[row | {"train_loss": 9.9} for row in uncached.curve])
    assert not prefix._same_losses([{"cached": cached, "uncached": other}]).holds


def test_the_peer_trains_as_many_steps(sweep):
    assert sweep.train_by_trainer(1) == sweep.steps == sweep.train(1, None).steps
