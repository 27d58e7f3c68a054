import numpy as np
import pyarrow as pa
import pytest

from graft.backbones import build, load_processor, save
from graft.catalog import Pretraining
from graft.problems import PROBLEMS
from graft.problems.examples import Examples
from graft.transferability import SCORES, UndefinedScore
from graft.transferability.boundaries import (
    count_drawn,
    describe,
    draw,
    score_boundaries,
    score_checkpoint,
    split_values,
)
from graft.transferability.features import Frozen, extract
from tests.conftest import BERT, RESNET

IMAGES, TEXTS, MASKED = (
    PROBLEMS[name] for name in ("image-classification", "text-classification", "masked-language-modelling")
)


def test_every_score_is_measured_at_every_boundary(images, image_processor, tmp_path):
    save(build(IMAGES, RESNET, ("x", "y"), seed=0), image_processor, tmp_path / "s")
    table = score_checkpoint(tmp_path / "s", IMAGES, IMAGES, images, image_processor)
    assert list(table) == ["stem", "block 1", "block 2", "block 3"]
    assert all(list(values) == list(SCORES) for values in table.values())
    assert all(isinstance(value, float) for values in table.values() for value in values.values())
    assert table["block 1"]["knn"] > 0.6  # the classes differ in brightness, which random features see
    assert len({values["leep"] for values in table.values()}) == 1  # the head is one, wherever one looks


def test_a_source_without_classes_has_every_score_but_leep(tmp_path):
    sentences = [f"the {word} number {row % 5}" for row in range(12) for word in ("cat", "oak")]
    rows = pa.table({"text": sentences, "label": pa.array([0, 1] * 12, pa.int64())})
    processor = MASKED.make_processor(rows, {}, Pretraining(vocabulary_size=100, max_tokens=12))
    save(build(MASKED, {**BERT, "vocab_size": len(processor)}, (), seed=0), processor, tmp_path / "s")
    processor = load_processor(tmp_path / "s", TEXTS)
    table = score_checkpoint(tmp_path / "s", MASKED, TEXTS, TEXTS.encode(rows, processor), processor)
    known, reasons = split_values(table["block 3"])
    assert set(known) == set(SCORES) - {"leep"}
    assert reasons == {"leep": "the source predicts no classes"}


def test_labels_that_no_score_can_read_give_reasons_everywhere(images, image_processor):
    model = build(IMAGES, RESNET, ("x", "y"), seed=0)
    table = score_boundaries(extract(model, IMAGES, images, image_processor, own_head=True), np.zeros(33, int))
    assert all(isinstance(value, UndefinedScore) for values in table.values() for value in values.values())


def test_of_many_rows_a_stratified_part_is_read():
    labels = np.repeat([0, 1, 2], [3000, 900, 100])
    assert np.bincount(labels[draw(labels)]).tolist() == [375, 112, 12]
    assert draw(np.arange(500)).tolist() == list(range(500))


def test_scores_without_labels_are_refused(images, image_processor, tmp_path):
    with pytest.raises(ValueError, match="scores need labels"):
        score_checkpoint(tmp_path, IMAGES, IMAGES, Examples(images.features, None), image_processor)


def test_a_boundary_is_kept_with_its_scores_and_the_reasons_of_those_that_have_none():
    boundaries = {
        "stem": {"knn": 0.12345678, "leep": UndefinedScore("no classes")},
        "block 1": {"knn": 1.0, "leep": 0.5},
    }
    assert describe(boundaries) == [
        {"boundary": "stem", "scores": {"knn": 0.123457}, "undefined": {"leep": "no classes"}},
        {"boundary": "block 1", "scores": {"knn": 1.0, "leep": 0.5}, "undefined": {}},
    ]


@pytest.mark.parametrize("fault", ["one class", "nan"])
def test_a_network_or_labels_that_no_score_can_read_leave_reasons_in_place_of_numbers(fault):
    features = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    labels = np.zeros(12, int) if fault == "one class" else np.arange(12) % 2
    if fault == "nan":
        features[3] = np.nan
    (found,) = describe(score_boundaries(Frozen({"stem": features}, None), labels))
    assert found["scores"] == {}
    assert set(found["undefined"]) == set(SCORES)
    said = "all 12 rows have the same label" if fault == "one class" else "1 of 12 rows have features that are NaN"
    assert found["undefined"]["knn"].startswith(said)


def test_scores_are_read_from_as_many_rows_as_are_drawn(images):
    assert count_drawn(images) == len(images)
    assert count_drawn(Examples(images.features, None)) == 0
