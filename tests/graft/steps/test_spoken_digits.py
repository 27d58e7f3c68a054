"""Real clips: the small network of `graft new` learns digits, and the checks say what is known of the recordings."""

import csv
import json
from pathlib import Path

import pytest

from flows.commands.starters import STARTERS
from graft.catalog import Catalog
from graft.steps import check, pretrain

DIGITS = Path(__file__).parents[4] / "shared" / "data" / "spoken_digits"
pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not DIGITS.is_dir(), reason="../shared/data/spoken_digits is not there"),
]


def test_six_hundred_clips_are_checked_and_learned(tmp_path, monkeypatch):
    starter = STARTERS["wav2vec2"]
    catalog = Catalog.model_validate({
        "sources": {"digits": {
            "problem": "audio-classification", "data": {"path": str(DIGITS)},
            "backbone": {"config": starter.config}, "pretraining": starter.pretraining,
        }},
    })  # fmt: skip
    monkeypatch.chdir(tmp_path)
    check.run_source("digits", catalog)
    found = json.loads(Path("checks/sources/digits/check.json").read_text())
    assert found["facts"]["train_rows"] == 600
    assert found["features"]["sampling_rate"] == {"smallest": 8000, "mean": 8000, "largest": 8000}
    assert found["passed"]
    pretrain.run("digits", catalog)
    source = json.loads(Path("checkpoints/digits/source.json").read_text())
    assert source["test"]["accuracy"] > 0.6
    with Path("checkpoints/digits/curves.csv").open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) > 5
