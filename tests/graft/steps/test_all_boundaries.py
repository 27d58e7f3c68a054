"""Every step for a winner whose network is not the source's: from raw rows to a prediction of the registry."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from graft.catalog import Catalog
from graft.registry import open_registry
from graft.registry.package import check_golden, load, open_package
from graft.registry.prediction import predict
from graft.steps import adapt, check, evaluate, pretrain, publish
from tests.conftest import BERT, RESNET

STUDY = {
    "strategies": ["head2toe"], "seeds": 2, "folds": 2, "budget_steps": 8, "batch_size": 8, "learning_rates": [1e-2],
    "max_forgetting": 0.0, "label_counts": [], "resamples": 200,
}  # fmt: skip
PRETRAINING = {"epochs": 1, "batch_size": 8, "image_size": 8, "max_tokens": 16, "vocabulary_size": 100}
BACKBONE = {"image": RESNET, "text": {key: value for key, value in BERT.items() if key != "vocab_size"}}


def write_images(folder):
    rng = np.random.default_rng(0)
    for name, shades in (("source", (40, 120, 200)), ("target", (80, 160))):
        rows = [(rng.integers(0, 40, (8, 8)) + shade, shade) for shade in shades for _ in range(24)]
        cells = [{"bytes": png(pixels), "path": None} for pixels, _ in rows]
        (folder / name).mkdir(parents=True)
        pq.write_table(pa.table({"image": cells, "label": [str(s) for _, s in rows]}), folder / name / "rows.parquet")
    (folder / "new.png").write_bytes(png(np.full((8, 8), 165)))
    return str(folder / "new.png")


def png(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def write_texts(folder):
    rng = np.random.default_rng(0)
    words = ["red", "green", "stone", "river", "hill", "open", "file", "number", "road", "tree"]
    texts = [" ".join(rng.choice(words, 6)) + f" {n}" for n in range(96)]
    for name, rows in (("source", texts[:48]), ("target", texts[48:])):
        (folder / name).mkdir(parents=True)
        kinds = ["good" if n % 2 else "bad" for n in range(48)]
        columns = {"text": [f"{text} {kind}" for text, kind in zip(rows, kinds, strict=True)]}
        pq.write_table(pa.table(columns | ({"label": kinds} if name == "target" else {})), folder / name / "r.parquet")
    return "the road is good"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a function that gives the catalogue of a fresh project, and an input that was never seen."""
    monkeypatch.chdir(tmp_path)

    def make(kind):
        given = (write_images if kind == "image" else write_texts)(Path("data"))
        source = {
            "problem": "image-classification" if kind == "image" else "masked-language-modelling",
            "data": {"path": "data/source"},
            "backbone": {"config": BACKBONE[kind]},
            "pretraining": PRETRAINING,
        }
        target = {
            "source": "s", "problem": f"{kind}-classification", "study": STUDY,
            "data": {"path": "data/target", "labels_per_class": 8}, "evaluation": {"robustness_rows": 0},
        }  # fmt: skip
        return Catalog.model_validate({"sources": {"s": source}, "targets": {"t": target}}), given

    return make


@pytest.mark.parametrize("kind", ["image", "text"])
def test_head2toe_wins_and_its_package_predicts_from_the_registry(project, kind, caplog):
    catalog, given = project(kind)
    check.run_source("s", catalog)
    pretrain.run("s", catalog)
    check.run_target("t", catalog)
    with caplog.at_level("INFO", logger="graft"):
        adapt.run("t", catalog)
    assert "prefix cache: 16 rows at boundaries of all together" in caplog.text
    assert "no prefix cache" not in caplog.text
    study = json.loads(Path("runs/t/study.json").read_text())
    assert (study["winner"]["strategy"], study["winner"]["trained_groups"]) == ("head2toe", ["head"])
    assert study["winner"]["reads_all"]
    assert study["groups"][-1]["parameters"] == study["winner"]["trained_parameters"]
    with Path("runs/t/trials.csv").open(newline="") as stream:
        assert {row["forgetting"] for row in csv.DictReader(stream) if row["role"] == "candidate"} == {"0.0"}
    evaluate.run("t", catalog)
    metrics = json.loads(Path("reports/t/metrics.json").read_text())
    assert (metrics["strategy"], metrics["forgetting"]) == ("head2toe", 0.0)
    assert metrics["source_before"] == metrics["source_after"]
    package = open_package(Path("packages/t"))
    assert json.loads((package.folder / "config.json").read_text())["model_type"] == "graft-all-boundaries"
    assert check_golden(package) == 5
    assert type(load(package).network).__name__ == "AllBoundaries"
    publish.run("t", catalog)
    (answer,) = predict("t@1", [given], open_registry())
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    assert answer.label in study["labels"]
