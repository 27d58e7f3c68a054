"""What pixels alone tell of faces: more than chance, and what a trained network is to be compared with."""

from pathlib import Path

import numpy as np
import pytest

from graft.catalog import Catalog, load
from graft.evaluation.bootstrap import estimate
from graft.problems import PROBLEMS
from graft.problems.pairs import PairGrades, measure_pairs
from graft.reading import convert_image, open_image, read

ROOT = Path(__file__).parents[3]
DATA = ROOT / "../shared/data"
CHANCE = 0.5
SIDE = 32
pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not (DATA / "faces").is_dir(), reason="needs ../shared/data/faces and fashion_mnist"),
]


def catalogue() -> Catalog:
    """Return the catalogue with paths that do not depend on where one stands."""
    raw = load(ROOT / "tests/real/faces/params.yaml").model_dump()
    for entry in (*raw["sources"].values(), *raw["targets"].values()):
        entry["data"]["path"] = str(ROOT / entry["data"]["path"])
    return Catalog.model_validate(raw)


def pixels(table, mean=None):
    """Return the pixels of small grey images as vectors of length 1 (rows, numbers), and their mean image."""
    images = (convert_image(open_image(cell), "L").resize((SIDE, SIDE)) for cell in table["image"].to_pylist())
    vectors = np.stack([np.asarray(image, dtype=np.float64).ravel() for image in images])
    mean = vectors.mean(axis=0) if mean is None else mean
    return (vectors - mean) / np.linalg.norm(vectors - mean, axis=1, keepdims=True), vectors.mean(axis=0)


def faces(table):
    from graft.problems.pairs import Face

    rows = zip(*(table[name].to_pylist() for name in ("person", "number", "partners")), strict=True)
    return [Face(person, number, tuple(partners)) for person, number, partners in rows]


def test_what_pixels_alone_tell():
    target = catalogue().target("faces")
    splits = read(target.data, PROBLEMS[target.problem]).splits
    assert set(splits["train"]["identity"].to_pylist()).isdisjoint(splits["test"]["identity"].to_pylist())
    _, mean = pixels(splits["train"])
    for name, centre in (("as they are", 0.0), ("less the mean training image", mean)):
        vectors, _ = pixels(splits["test"], centre)
        found = estimate(PairGrades.of_faces(vectors, faces(splits["test"])), higher_is_better=False)
        print(name, found, measure_pairs(vectors, faces(splits["test"])))
        assert found.high < CHANCE
