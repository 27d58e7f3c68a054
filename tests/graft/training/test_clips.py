"""Clips of different lengths, some the only one of their width: a cache changes no bit of the real loop."""

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
from graft.training.batches import AT_ONCE, FEWEST, batches_in_order, count_at_once, paired
from graft.training.feed import Feed
from graft.training.recording import record
from graft.transferability.features import extract
from tests.conftest import AST, SPEECH

AUDIO = PROBLEMS["audio-classification"]
NETWORKS = {
    "group": SPEECH,
    "layer": {**SPEECH, "feat_extract_norm": "layer", "do_stable_layer_norm": True},
    "ast": AST,
}


class Extractor:
    """Has what a batch is made with."""

    model_input_names, padding_value, sampling_rate = ("input_values", "attention_mask"), 0.0, 4000

    def __init__(self, masked):
        self.return_attention_mask = masked

    def to_dict(self):
        return {"mask": self.return_attention_mask}


def rows_of(name):
    """25 rows; of the waveforms one alone is of the longest width, and one of the shortest."""
    rng = np.random.default_rng(0)
    labels = np.arange(25) % 2
    if name == "ast":
        features = [rng.standard_normal((24, 16)).astype(np.float32) for _ in labels]
        return Examples(features, labels, np.full(25, 24 * 16))
    lengths = [3500, 400, *rng.integers(1010, 1990, 23)]
    widths = np.array([4000, 1000, *[2000] * 23])
    return Examples([rng.standard_normal(length).astype(np.float32) for length in lengths], labels, widths)


@pytest.mark.parametrize("boundary", [1, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_loop_ends_in_the_same_bits_with_and_without_the_cache(name, boundary, tmp_path):
    examples, extractor = rows_of(name), Extractor(name == "layer")
    source = build(AUDIO, NETWORKS[name], ("a", "b"), seed=0)
    names = [group.name for group in layer_groups(source)]
    kept, held = examples.take(np.arange(20)), examples.take(np.arange(20, 25))
    prefix = record(source, Feed.of(AUDIO, examples, extractor), [boundary], Activations(2**24), batch_size=8)
    assert prefix.boundaries == (boundary,)

    def run(folder, prefix):
        rest = {"learning_rate": 1e-2, "recipe": Study(batch_size=8), "seed": 3, "measure_every": 4, "patience": None}
        legs = (Leg(tuple(names[boundary:]), 10, 1.0),)
        job = Job(AUDIO, extractor, kept, held, legs, folder=tmp_path / folder, prefix=prefix, **rest)
        model = build(AUDIO, NETWORKS[name], ("a", "b"), seed=0)
        return train(job, model, lambda step, message: None).curve, model.state_dict()

    expected, weights = run("uncached", None)
    found, played = run("cached", prefix)
    assert found == expected
    assert all(torch.equal(value, played[key]) for key, value in weights.items())


def test_features_come_in_the_order_of_the_rows():
    examples, extractor = rows_of("group"), Extractor(False)
    model = build(AUDIO, SPEECH, ("a", "b"), seed=0)
    together = extract(model, AUDIO, examples, extractor, own_head=True)
    for row in (0, 1, 7):
        alone = extract(model, AUDIO, examples.take([row]), extractor, own_head=True)
        for name, features in together.boundaries.items():
            assert np.array_equal(features[row], alone.boundaries[name][0])
        assert np.array_equal(together.probabilities[row], alone.probabilities[0])


def test_predictions_come_in_the_order_of_the_rows():
    examples, extractor = rows_of("layer"), Extractor(True)
    model = build(AUDIO, NETWORKS["layer"], ("a", "b"), seed=0)
    found = predict(model, AUDIO, examples, extractor)
    assert all(np.array_equal(found[r], predict(model, AUDIO, examples.take([r]), extractor)[0]) for r in (0, 1, 9))


def test_a_lone_row_runs_twice_where_rows_have_widths():
    assert paired([4], np.array([8])) == [4, 4]
    assert paired([4], None) == [4]
    assert paired([4, 2], np.array([8, 8])) == [4, 2]


def test_fewer_wide_rows_run_together_but_never_too_few():
    assert count_at_once(256, 500) == 256
    assert count_at_once(256, AT_ONCE // 40) == 40
    assert count_at_once(256, AT_ONCE) == FEWEST
    assert count_at_once(8, AT_ONCE) == 8
    sizes = [len(rows) for _, rows in batches_in_order(range(81), 256, np.full(81, AT_ONCE // 40))]
    assert sizes == [40, 41]
