"""Real slides: the small network of `graft new` finds nuclei that it was shown the masks of."""

import csv
import json
from pathlib import Path

import pytest

from flows.commands.starters import STARTERS
from graft.catalog import Catalog
from graft.problems import PROBLEMS
from graft.reading import inspect
from graft.steps import check, pretrain

NUCLEI = Path(__file__).parents[4] / "shared" / "data" / "nuclei"
pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not NUCLEI.is_dir(), reason="../shared/data/nuclei is not there"),
]


def fluorescence(folder):
    """Write a table of the fluorescence images alone, beside the files that it names."""
    with (NUCLEI / "index.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["kind"] == "fluorescence"]
    for name in ("images", "masks"):
        (folder / name).symlink_to(NUCLEI / name)
    with (folder / "index.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["image", "mask", "split"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


def test_nuclei_are_told_from_their_background(tmp_path, monkeypatch):
    found = inspect(NUCLEI, labelled=True)
    assert (found.problem, found.rows, found.labels) == ("semantic-segmentation", 166, ("0", "1"))
    data = tmp_path / "fluorescence"
    data.mkdir()
    fluorescence(data)
    starter = STARTERS["segformer"]
    catalog = Catalog.model_validate({
        "sources": {"fluorescence": {
            "problem": "semantic-segmentation", "data": {"path": str(data)},
            "backbone": {"config": starter.config},
            "pretraining": {**starter.pretraining, "image_size": 64, "epochs": 15},
        }},
    })  # fmt: skip
    monkeypatch.chdir(tmp_path)
    check.run_source("fluorescence", catalog)
    summary = json.loads(Path("checks/sources/fluorescence/check.json").read_text())
    assert summary["passed"]
    assert summary["features"]["void_share"]["largest"] == 0
    assert 0.7 < summary["features"]["background_share"]["mean"] < 0.95
    pretrain.run("fluorescence", catalog)
    source = json.loads(Path("checkpoints/fluorescence/source.json").read_text())
    background = 0.5  # of a mask that is nothing but background: at most 1 of that class, and 0 of the other
    assert source["test"][PROBLEMS["semantic-segmentation"].metric] > background + 0.1
