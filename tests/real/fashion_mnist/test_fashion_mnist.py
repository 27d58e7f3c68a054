"""MNIST to Fashion-MNIST, cut down: every kind of network of the catalogue learns more than the largest class."""

import json
from pathlib import Path

import pytest

from graft.catalog import Catalog, load
from graft.steps import adapt, check, evaluate, pretrain

ROOT = Path(__file__).parents[3]
DATA = ROOT / "../shared/data"
CHANCE = 0.1  # ten classes of equal size
pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not (DATA / "fashion_mnist").is_dir(), reason="needs ../shared/data/fashion_mnist and mnist"),
]


def reduced() -> Catalog:
    """Return the catalogue with fewer steps and only as many strategies as make a study."""
    catalog = load(ROOT / "tests/real/fashion_mnist/params.yaml")
    raw = catalog.model_dump()
    for source in raw["sources"].values():
        source["data"] |= {"path": str(DATA / "mnist"), "labels_per_class": 40}
        source["pretraining"] |= {"epochs": 2}
    for target in raw["targets"].values():
        target["data"] |= {"path": str(DATA / "fashion_mnist")}
        target["study"] |= {"strategies": ["full"], "budget_steps": 30}
    return Catalog.model_validate(raw)


@pytest.mark.parametrize("network", ["vgg", "inception", "resnet", "vit"])
def test_a_network_is_better_than_the_largest_class(network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    catalog, source, target = reduced(), f"mnist-{network}", f"fashion-{network}"
    check.run_source(source, catalog)
    pretrain.run(source, catalog)
    check.run_target(target, catalog)
    adapt.run(target, catalog)
    evaluate.run(target, catalog)
    metrics = json.loads((tmp_path / "reports" / target / "metrics.json").read_text())
    assert metrics["transfer_low"] > CHANCE
