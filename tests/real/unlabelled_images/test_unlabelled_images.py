"""Clothes without labels to handwritten digits, cut down: such a source learns, and so does its target."""

import json
import math
from pathlib import Path

import pytest

from graft.catalog import Catalog, load
from graft.steps import adapt, check, evaluate, pretrain

ROOT = Path(__file__).parents[3]
DATA = ROOT / "../shared/data"
CHANCE = 0.12  # ten classes of nearly equal size
IGNORANT = {"mae": 1.0, "simclr": math.log(511)}
"""The loss of who paints the mean of every patch, and of who takes any other of 512 views for the partner."""
pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not (DATA / "fashion_mnist").is_dir(), reason="needs ../shared/data/fashion_mnist and mnist"),
]


def reduced() -> Catalog:
    """Return the catalogue with fewer epochs and steps."""
    raw = load(ROOT / "tests/real/unlabelled_images/params.yaml").model_dump()
    for source in raw["sources"].values():
        source["data"] |= {"path": str(DATA / "fashion_mnist")}
        source["pretraining"] |= {"epochs": 4}
    for target in raw["targets"].values():
        target["data"] |= {"path": str(DATA / "mnist")}
        target["study"] |= {"strategies": ["full"], "budget_steps": 60}
    return Catalog.model_validate(raw)


@pytest.mark.parametrize("kind", ["mae", "simclr"])
def test_images_without_labels_make_a_source(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    catalog, source, target = reduced(), f"clothes-{kind}", f"digits-{kind}"
    check.run_source(source, catalog)
    pretrain.run(source, catalog)
    check.run_target(target, catalog)
    adapt.run(target, catalog)
    evaluate.run(target, catalog)
    learned = json.loads((tmp_path / "checkpoints" / source / "source.json").read_text())
    assert learned["test"]["loss"] < 0.95 * IGNORANT[kind]
    metrics = json.loads((tmp_path / "reports" / target / "metrics.json").read_text())
    assert metrics["transfer_low"] > CHANCE
