"""The rows that benchmarks run on: real ones, or else the bundled examples; on a GPU, rows of the usual shape."""

import io
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from graft.catalog import Data
from graft.problems import PROBLEMS
from graft.reading import read
from graft.training.device import make_accelerator

ROOT = Path(__file__).parents[1]
REAL = ROOT / "../shared/data"
CLASSES = 10
SIDE, IMAGES = 224, 1024  # pixels, as ImageNet's networks take them
WORDS, SPREAD, TEXTS = 20, 9, 8192  # words per row, as in movie_reviews


@dataclass(frozen=True)
class Rows:
    """Labelled rows in canonical columns."""

    table: pa.Table
    classes: int
    name: str
    """Which rows these are."""

    def __str__(self) -> str:
        return f"{len(self.table):,} rows of {self.name}"


def images(limit: int) -> Rows:
    """Return up to `limit` labelled images."""
    if found := _real("image-classification", "mnist", limit):
        return found
    if make_accelerator().device.type == "cuda":
        return _synthetic_images(min(limit, IMAGES))
    return _bundled("image-classification", "digits", "source", limit)


def texts(limit: int) -> Rows:
    """Return up to `limit` labelled sentences."""
    if found := _real("text-classification", "movie_reviews", limit):
        return found
    if make_accelerator().device.type == "cuda":
        return _synthetic_texts(min(limit, TEXTS))
    return _bundled("text-classification", "pydocs", "target", limit)


def build_bundled(example: str, folder: Path) -> None:
    """Build a bundled example below `folder`/data."""
    subprocess.run([sys.executable, str(ROOT / "data" / f"{example}.py")], cwd=folder, check=True, capture_output=True)


def _real(problem: str, name: str, limit: int) -> Rows | None:
    path = REAL / name
    return _read(problem, path, name, limit) if path.is_dir() else None


def _bundled(problem: str, name: str, part: str, limit: int) -> Rows:
    with tempfile.TemporaryDirectory() as folder:
        build_bundled(name, Path(folder))
        return _read(problem, Path(folder) / "data" / name / part, f"the bundled example {name}", limit)


def _read(problem: str, path: Path, name: str, limit: int) -> Rows:
    dataset = read(Data(path=str(path)), PROBLEMS[problem])
    return Rows(dataset.splits["train"].slice(0, limit), len(dataset.labels), name)


def _synthetic_images(count: int) -> Rows:
    rng = np.random.default_rng(0)
    cells = [{"bytes": _png(rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)), "path": None} for _ in range(count)]
    table = pa.table({"image": cells, "label": pa.array(np.arange(count) % CLASSES)})
    return Rows(table, CLASSES, f"synthetic colour images of {SIDE}x{SIDE}")


def _synthetic_texts(count: int) -> Rows:
    rng = np.random.default_rng(0)
    lengths = np.maximum(rng.normal(WORDS, SPREAD, count).round().astype(int), 1)
    words = [" ".join(f"w{word % 3000}" for word in rng.zipf(1.2, length)) for length in lengths]
    table = pa.table({"text": words, "label": pa.array(np.arange(count) % CLASSES)})
    return Rows(table, CLASSES, f"synthetic sentences of {WORDS} words on average")


def _png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
    return stream.getvalue()
