"""Blood cells, found by a network that has learned to find nuclei: better than the same boxes for every image."""

import json
from pathlib import Path

import numpy as np
import pytest

from graft.backbones import load_processor
from graft.catalog import Catalog, load
from graft.evaluation.bootstrap import compare
from graft.problems import PROBLEMS
from graft.problems.average_precision import COUNTED, overlap
from graft.reading import read
from graft.steps import adapt, check, evaluate, pretrain
from graft.training import predict
from tests.real.blood_cells.nuclei import NUCLEI, write_nuclei

ROOT = Path(__file__).parents[3]
DATA = ROOT / "../shared/data/blood_cells"
MOST = 100  # boxes that are answered for every image
pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not (DATA.is_dir() and NUCLEI.is_dir()), reason="needs ../shared/data/blood_cells and nuclei"),
]


def catalog(folder: Path) -> Catalog:
    """Return the catalogue with the paths of this machine."""
    raw = load(ROOT / "tests/real/blood_cells/params.yaml").model_dump()
    raw["sources"]["nuclei"]["data"]["path"] = str(folder)
    raw["targets"]["blood"]["data"]["path"] = str(DATA)
    return Catalog.model_validate(raw)


def prior_boxes(truths: np.ndarray) -> np.ndarray:
    """Return one answer for every image, (numbers,): the training boxes that overlap most others by a half and more.

    Each is taken with those that it overlaps; its score is the share of the training images' boxes that these are.
    """
    boxes = np.concatenate([rows[(rows[:, 0] >= 0) & (rows[:, 5] == COUNTED)] for rows in truths])
    lines = []
    alike = (overlap(boxes[:, 1:5], boxes[:, 1:5], np.zeros(len(boxes), bool)) >= 0.5) & (
        boxes[:, None, 0] == boxes[None, :, 0]
    )
    left = np.ones(len(boxes), dtype=bool)
    while left.any() and len(lines) < MOST:
        counts = (alike & left).sum(axis=1)
        best = int(np.where(left, counts, 0).argmax())
        lines.append([boxes[best, 0], counts[best] / len(boxes), *boxes[best, 1:5]])
        left &= ~alike[best]
    return np.array(lines, dtype=np.float32).ravel()


def test_it_finds_cells_that_prior_boxes_do_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_nuclei(tmp_path / "nuclei-boxes")
    entries, problem = catalog(tmp_path / "nuclei-boxes"), PROBLEMS["object-detection"]
    check.run_source("nuclei", entries)
    pretrain.run("nuclei", entries)
    check.run_target("blood", entries)
    adapt.run("blood", entries)
    evaluate.run("blood", entries)
    found = json.loads((tmp_path / "reports/blood/metrics.json").read_text())
    from graft.backbones import load as load_network

    folder = tmp_path / "runs/blood/winner/seed-0"
    processor, data = load_processor(folder, problem), read(entries.target("blood").data, problem)
    train, test = (problem.encode(data.splits[split], processor) for split in ("train", "test"))
    prior = problem.grade(np.tile(prior_boxes(train.labels), (len(test), 1)), test.labels)
    mine = problem.grade(predict(load_network(folder, problem), problem, test, processor), test.labels)
    gain = compare(mine, prior, resamples=2000, confidence=0.95, seed=0).gain
    keys = ("transfer", "scratch", "gain")
    print({key + end: found[key + end] for key in keys for end in ("", "_low", "_high")}, found["map_50"])
    print("prior boxes", prior.mean, "gain over them", gain)
    assert gain.low > 0
    assert found["transfer_low"] > prior.mean
