"""Texts of different lengths: one width per row, and a cache that changes no bit of the real loop."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from graft.backbones import build, layer_groups
from graft.catalog import Study
from graft.problems import PROBLEMS
from graft.problems.examples import Examples
from graft.strategies.strategy import Leg
from graft.training import Job, predict, train
from graft.training.activations import Activations
from graft.training.batches import choose_widths
from graft.training.feed import Feed
from graft.training.recording import record
from tests.conftest import BERT
from tests.networks import GPT2

TEXTS = PROBLEMS["text-classification"]
CONFIG = {**BERT, "max_position_embeddings": 32}


class Tokenizer:
    """Pads as a tokenizer does."""

    pad_token_id, padding_side, model_max_length = 0, "right", 32

    def pad(self, encoded, padding, return_tensors, max_length=None):
        ids = encoded["input_ids"]
        width = max_length or max(map(len, ids))
        filled = torch.tensor([row + [0] * (width - len(row)) for row in ids])
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in ids])
        return {"input_ids": filled, "attention_mask": mask}


@pytest.fixture(scope="module")
def texts():
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 2
    rows = [rng.integers(5 + 20 * label, 30 + 20 * label, rng.integers(3, 31)) for label in labels]
    examples = Examples(rows, labels)
    return replace(examples, widths=choose_widths([len(row) for row in rows], 8))


class Played:
    """A problem that tells the player the rows of each batch."""

    def __init__(self, problem, player):
        self._problem, self._player = problem, player

    def __getattr__(self, name):
        return getattr(self._problem, name)

    def collate(self, examples, rows, processor, generator, training):
        self._player([int(row) for row in (np.asarray(rows) if examples.origin is None else examples.origin[rows])])
        return self._problem.collate(examples, rows, processor, generator, training)


def test_rows_keep_their_width_and_number_when_they_are_taken(texts):
    some = texts.take([40, 7, 12]).take([2, 0])
    assert some.origin.tolist() == [12, 40]
    assert some.widths.tolist() == texts.widths[[12, 40]].tolist()
    assert some.labels.tolist() == texts.labels[[12, 40]].tolist()
    assert some.features[1] is texts.features[40]


def test_a_row_is_padded_to_its_width_whatever_the_batch(texts):
    for rows in ([3], [3, *np.flatnonzero(texts.widths == texts.widths[3])[:4].tolist()]):
        batch = TEXTS.collate(texts, rows, Tokenizer(), torch.Generator(), False)
        assert batch["input_ids"].shape == (len(rows), texts.widths[3])
    assert batch["attention_mask"].sum(1).tolist() == [len(texts.features[row]) for row in rows]


def test_predictions_come_in_the_order_of_the_rows(texts):
    model = build(TEXTS, CONFIG, ("a", "b"), seed=0)
    found = predict(model, TEXTS, texts, Tokenizer())
    for row in (0, 17, 89):
        alone = predict(model, TEXTS, texts.take([row]), Tokenizer())
        assert np.allclose(found[row], alone[0], atol=1e-6)


@pytest.mark.parametrize("config", [CONFIG, {**GPT2, "n_positions": 32}], ids=["bert", "gpt2"])
@pytest.mark.parametrize("boundary", [1, 3, 4])
def test_the_loop_ends_in_the_same_bits_with_and_without_the_cache(texts, tmp_path, config, boundary):
    source = build(TEXTS, config, ("a", "b"), seed=0)
    names = [group.name for group in layer_groups(source)]
    held, kept = texts.take(np.arange(0, 90, 5)), texts.take(np.flatnonzero(np.arange(90) % 5))

    def run(problem, model, folder):
        legs = (Leg(tuple(names[boundary:]), 12, 1.0),)
        rest = {"learning_rate": 1e-2, "recipe": Study(batch_size=8), "seed": 3, "measure_every": 4, "patience": None}
        job = Job(problem, Tokenizer(), kept, held, legs, folder=tmp_path / folder, **rest)
        trained = train(job, model, lambda step, message: None)
        return trained.curve, {name: value.clone() for name, value in model.state_dict().items()}

    expected, weights = run(TEXTS, build(TEXTS, config, ("a", "b"), seed=0), "uncached")
    feed = Feed.of(TEXTS, texts, Tokenizer())
    prefix = record(source, feed, [boundary], Activations(2**20), batch_size=8)
    model = build(TEXTS, config, ("a", "b"), seed=0)
    for group in layer_groups(model)[:boundary]:
        for name in group.weights:
            model.get_parameter(name).requires_grad_(False)
    with prefix.replay(model, boundary) as player:
        found, played = run(Played(TEXTS, player), model, "cached")
    assert len(set(texts.widths.tolist())) > 2
    assert found == expected
    assert all(torch.equal(value, played[name]) for name, value in weights.items())


def test_a_batch_of_two_widths_cannot_be_replayed(texts):
    model = build(TEXTS, CONFIG, ("a", "b"), seed=0).requires_grad_(False)
    prefix = record(model, Feed.of(TEXTS, texts, Tokenizer()), [2], Activations(2**20), batch_size=8)
    rows = [int(np.flatnonzero(texts.widths == width)[0]) for width in sorted(set(texts.widths.tolist()))[:2]]
    with prefix.replay(model, 2) as player, pytest.raises(ValueError, match="rows of one width; these are of 2"):
        player(rows)


def test_the_content_of_a_row_is_its_key(texts):
    feed = Feed.of(TEXTS, texts, Tokenizer())
    assert len(set(feed.keys)) == len({row.tobytes() for row in texts.features})
    assert Feed.of(TEXTS, texts.take([5, 3]), Tokenizer()).keys == [feed.keys[5], feed.keys[3]]
