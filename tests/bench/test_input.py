import numpy as np
import pyarrow as pa
import pytest
import torch

from bench import input as benchmark
from bench import padding, rows
from bench.input import guard_batches
from bench.loaded import Loaded, load_images, load_texts


@pytest.fixture
def few(monkeypatch):
    """Rows made here: 40 sentences and 40 grey images."""
    rng = np.random.default_rng(0)
    labels = pa.array(np.arange(40) % 2)
    texts = pa.table({"text": ["a word " * count for count in rng.integers(1, 12, 40)], "label": labels})
    pixels = [rng.integers(0, 256, (8, 8), dtype=np.uint8) for _ in range(40)]
    images = pa.table({"image": [{"bytes": rows._png(one), "path": None} for one in pixels], "label": labels})
    monkeypatch.setattr(rows, "texts", lambda limit: rows.Rows(texts, 2, "sentences"))
    monkeypatch.setattr(rows, "images", lambda limit: rows.Rows(images, 2, "images"))


@pytest.mark.parametrize(("load", "peer"), [(load_images, "_image_peer"), (load_texts, "_text_peer")])
def test_ours_and_the_peer_make_the_same_batches(few, load, peer):
    loaded = load(40)
    comparison = benchmark._into_the_loop("", loaded, {"torch format": getattr(benchmark, peer)(loaded)}, workers=0)
    guard = comparison.guard([])
    assert (guard.found, guard.holds) == ("2 of 2", True)
    for runner in (comparison.ours, *comparison.peers):
        runner.run()


def test_another_order_is_no_equal_batch(few):
    loaded = load_images(40)
    assert not guard_batches(loaded.batches(0), loaded.batches(1)).holds


@pytest.mark.parametrize("change", ["value", "type", "name", "missing", "shorter"])
def test_a_batch_that_differs_in_anything_is_noticed(change):
    batch = {"pixels": torch.zeros(2, 3), "labels": torch.zeros(2)}
    other = {
        "value": batch | {"pixels": torch.ones(2, 3)},
        "type": batch | {"pixels": torch.zeros(2, 3, dtype=torch.int64)},
        "name": {"images": batch["pixels"], "labels": batch["labels"]},
        "missing": {"pixels": batch["pixels"]},
        "shorter": None,
    }[change]
    guard = guard_batches([batch, batch], [batch] if other is None else [batch, other])
    assert (guard.found, guard.holds) == ("1 of 2", False)


def test_padding_changes_no_logit_and_a_padded_batch_without_a_mask_is_noticed(few):
    texts = load_texts(40)
    network = padding.make_network(texts).eval()
    comparison = padding.compare(texts, network)
    assert comparison.guard([]).holds
    assert comparison.work == sum(len(text) for text in texts.examples.features)
    [ours] = [list(texts.first(8).batches())]
    unmasked = [padding._padded(texts.first(8), places, 128, torch.device("cpu")) for places in texts.first(8).order()]
    for batch in unmasked:
        batch["attention_mask"] = torch.ones_like(batch["attention_mask"])
    assert not padding.guard_logits(network, ours, [unmasked]).holds


def test_the_first_rows_are_named_as_such(few):
    texts = load_texts(40)
    part: Loaded = texts.first(8)
    assert len(part.examples) == len(part.examples.labels) == 8
    assert part.name == "the first 8 of 40 rows of sentences"
    assert texts.first(99) is texts


def test_synthetic_rows_are_of_the_shape_they_say():
    images = rows._synthetic_images(2)
    assert str(images) == "2 rows of synthetic colour images of 224x224"
    words = [len(text.split()) for text in rows._synthetic_texts(400).table["text"].to_pylist()]
    assert np.mean(words) == pytest.approx(rows.WORDS, abs=1)
