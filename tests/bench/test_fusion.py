import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from bench import fusible, fusion, shares, stacked
from bench.fusion import BARE, LOOP, STACKED
from bench.loaded import Loaded
from graft.problems import PROBLEMS

SMALL = {
    "ResNet": {"embedding_size": 4, "hidden_sizes": [4, 6, 8]},
    "BERT": {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8},
}


@pytest.fixture
def make(images, image_processor, sentences, tokenizer, monkeypatch):
    """Return a function that makes the trials of a small network on few rows."""
    monkeypatch.setattr(fusible, "RESNET", fusible.RESNET | SMALL["ResNet"])
    monkeypatch.setattr(fusible, "BERT", fusible.BERT | SMALL["BERT"])
    texts = PROBLEMS["text-classification"]
    rows = {
        "ResNet": Loaded(PROBLEMS["image-classification"], image_processor, images, 3, "33 pictures"),
        "BERT": fusible.of_one_width(Loaded(texts, tokenizer, texts.encode(sentences, tokenizer), 2, "24 sentences")),
    }
    return lambda name, blocks: fusible.Trials(rows[name], name, blocks, 6)


@pytest.mark.parametrize("name", ["ResNet", "BERT"])
@pytest.mark.parametrize("blocks", [0, 1])
def test_a_stack_learns_what_the_loop_learns(make, name, blocks):
    trials = make(name, blocks)
    work = trials.work(fusible.RATES[:2])
    loop, bare, stack = trials.train(work), stacked.train_in_turn(work), stacked.train_stacked(work)
    assert np.shape(stack) == (6, 6)
    np.testing.assert_allclose(bare, loop, atol=1e-5)
    np.testing.assert_allclose(stack, loop, atol=1e-4)
    assert len({tuple(losses) for losses in loop}) == 6  # no two trials are the same


@pytest.mark.parametrize("change", [{"clip": 1e9}, {"weight_decay": 0.9}, {"warmup_share": 0.9}])
def test_the_guard_notices_another_recipe(make, change):
    work = make("ResNet", 1).work(fusible.RATES[2:])
    other = dataclasses.replace(work, recipe=work.recipe.model_copy(update=change))
    right, wrong = stacked.train_in_turn(work), stacked.train_stacked(other)
    assert fusion.same_end(
        [{STACKED: (stacked.train_stacked(work), 1.0), LOOP: (right, 1.0), BARE: (right, 1.0)}]
    ).holds
    assert not fusion.same_end([{STACKED: (wrong, 1.0), LOOP: (right, 1.0), BARE: (right, 1.0)}]).holds


def test_texts_of_a_stack_have_one_width(make):
    rows = make("BERT", 0).rows
    assert len(set(rows.examples.widths)) == 1
    assert 0 < len(rows.examples) <= 24


def test_heads_count_with_the_phases_in_which_the_head_trains_alone():
    trials = [("linear-probe", 1.0), ("linear-probe", 3.0), ("top-1", 5.0), ("lp-ft", 10.0), ("scratch", 80.0)]
    outcomes = [SimpleNamespace(strategy=name, seconds=seconds) for name, seconds in trials]
    found = shares.divide(outcomes, recording=1.0)
    assert found.seconds == 100.0
    assert found.heads == pytest.approx((4.0 + 2.0 / 2) / 100)
    assert found.block == 0.05
    assert found.saved(2.0, 5.0) == pytest.approx(0.025 + 0.04)
    assert found.saved(1.0, 1.0) == 0.0


def test_speeds_are_read_from_the_comparisons(compare):
    measured = compare([1.0, 1.0, 1.0], **{LOOP: [8.0, 8.0, 8.0], BARE: [2.0, 2.0, 2.0]})
    assert fusion.speedups([measured]) == {"Adding up": (8.0, 4.0)}
    speeds = {fusion.title(3, blocks, "ResNet"): (8.0, 4.0) for blocks in (0, 1)}
    row = shares._row(shares.PAIRS[0], (1e-3,), shares.Shares(100.0, 0.08, 0.0), speeds)
    assert row[-6:] == ("8.0 %", "0.0 %", "8.0 %", "7.0 %", "6.0 %", "1.0 %")
