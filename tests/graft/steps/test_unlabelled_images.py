"""Sources of images without labels that go on from a checkpoint."""

import json
import logging
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from graft.backbones import build, load, save
from graft.catalog import Catalog
from graft.problems import PROBLEMS
from graft.steps import pretrain
from tests.conftest import RESNET
from tests.graft.steps.test_every_problem import bars
from tests.networks import VIT_MAE

IMAGES, PAINTING, VIEWS = (
    PROBLEMS[name] for name in ("image-classification", "masked-image-modelling", "contrastive-images")
)


@pytest.fixture
def go(tmp_path, monkeypatch, image_processor):
    """Return a function that pretrains from a model's checkpoint and returns source.json."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRAFT_DEVICE", "cpu")
    pq.write_table(bars(24), "bars.parquet")

    def run(problem, model, epochs):
        save(model, image_processor, Path("given"))
        source = {
            "problem": problem.name, "data": {"path": "bars.parquet"}, "backbone": {"checkpoint": "given"},
            "pretraining": {"epochs": epochs, "batch_size": 8},
        }  # fmt: skip
        pretrain.run("s", Catalog.model_validate({"sources": {"s": source}}))
        return json.loads(Path("checkpoints/s/source.json").read_text())

    return run


def test_views_teach_a_classifier_s_layers_under_a_new_projection(go, caplog):
    caplog.set_level(logging.INFO)
    found = go(VIEWS, build(IMAGES, RESNET, ("a", "b"), seed=0), epochs=1)
    assert found["carried"]["made_anew"] == [f"projection.{n}.{kind}" for n in (0, 2) for kind in ("bias", "weight")]
    assert found["carried"]["left_behind"] == ["classifier.1.bias", "classifier.1.weight"]
    assert "pretrain s: carried over: " in caplog.text


def test_views_teach_the_layers_of_a_masked_autoencoder(go):
    found = go(VIEWS, build(PAINTING, VIT_MAE, (), seed=0), epochs=1)
    assert found["carried"]["left_behind"] == ["decoder.* (24)"]
    assert type(load(Path("checkpoints/s"), VIEWS)).__name__ == "ViTForProjection"


def test_a_masked_autoencoder_without_epochs_is_taken_as_it_is(go):
    model = build(PAINTING, VIT_MAE, (), seed=0)
    found = go(PAINTING, model, epochs=0)
    assert found["carried"] == {"carried_over": len(model.state_dict()), "made_anew": [], "left_behind": []}
    assert 0.5 < found["test"]["loss"] < 5
