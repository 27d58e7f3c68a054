"""Clothes to chest X-rays, cut down: what is learned is better than a guess, at a threshold of its own choice."""

import json
from pathlib import Path

import pytest

from graft.catalog import Catalog, load
from graft.problems import PROBLEMS
from graft.reading import read
from graft.registry import predict
from graft.steps import adapt, check, evaluate, pretrain, publish

ROOT = Path(__file__).parents[3]
DATA = ROOT / "../shared/data"
pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not (DATA / "pneumonia").is_dir(), reason="needs ../shared/data/pneumonia and fashion_mnist"),
]


def reduced() -> Catalog:
    """Return the catalogue with less to train, and with every gate open but that of sensitivity."""
    raw = load(ROOT / "tests/real/pneumonia/params.yaml").model_dump()
    source, target = raw["sources"]["clothes"], raw["targets"]["pneumonia"]
    source["data"] |= {"path": str(DATA / "fashion_mnist"), "labels_per_class": 100}
    source["pretraining"] |= {"epochs": 3}
    target["data"] |= {"path": str(DATA / "pneumonia")}
    target["study"] |= {"strategies": ["full"], "seeds": 2, "folds": 3, "budget_steps": 60, "label_counts": []}
    target["evaluation"] |= {"robustness_rows": 0}
    target["gates"] |= {"verdicts": ["helps", "neutral", "hurts", "cannot-tell"], "min_gain": -1.0}
    return Catalog.model_validate(raw)


def test_pneumonia_is_found_at_a_threshold_that_no_test_row_has_chosen(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    catalog = reduced()
    check.run_source("clothes", catalog)
    pretrain.run("clothes", catalog)
    check.run_target("pneumonia", catalog)
    adapt.run("pneumonia", catalog)
    evaluate.run("pneumonia", catalog)
    publish.run("pneumonia", catalog)
    found = json.loads(Path("reports/pneumonia/metrics.json").read_text())
    assert found["metric"] == "auroc"
    assert found["transfer_low"] > 0.5  # of a guess
    assert found["validation_sensitivity"] >= 0.95
    assert found["validation_rows"] == 200  # 100 labelled rows, each held out once with each of two seeds
    assert found["sensitivity_low"] > 1 - found["specificity_high"]  # better than calling as many by chance
    assert found["ppv"] > found["prevalence"]
    row = read(catalog.target("pneumonia").data, PROBLEMS["image-classification"]).splits["test"]
    Path("scan.png").write_bytes(row["image"][0].as_py()["bytes"])
    (said,) = predict("pneumonia", ["scan.png"])
    assert said.positive == (said.probabilities["pneumonia"] >= found["threshold"])
