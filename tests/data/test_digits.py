import importlib.util
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from graft.catalog import Data
from graft.problems import PROBLEMS
from graft.reading import open_image, read

SCRIPT = Path(__file__).parents[2] / "data" / "digits.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("build_digits", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_digits_are_divided_between_source_and_target_and_none_is_lost(script, tmp_path):
    counts = script.build(tmp_path)
    assert sum(counts.values()) == len(load_digits().target)
    problem = PROBLEMS["image-classification"]
    source = read(Data(path=str(tmp_path / "source")), problem)
    target = read(Data(path=str(tmp_path / "target"), labels_per_class=5), problem)
    assert source.labels == ("0", "1", "2", "3", "4", "5")
    assert target.labels == ("6", "7", "8", "9")
    assert target.splits["train"].num_rows == 20
    assert target.splits["test"].num_rows == counts["target/digits"] - 20


def test_the_pictures_are_the_pixels_of_the_dataset(script):
    pixels = np.round(load_digits().images[5] * 255 / 16).astype(np.uint8)
    image = open_image({"bytes": script.encode_png(pixels), "path": None})
    assert np.array_equal(np.asarray(image), pixels)


def test_the_same_bytes_every_time(script, tmp_path):
    for folder in ("one", "two"):
        script.build(tmp_path / folder)
    files = [path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.parquet")]
    assert len(files) == 3
    assert all((tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes() for file in files)
