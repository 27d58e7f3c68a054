import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from graft.catalog import Data
from graft.problems import PROBLEMS
from graft.reading import read


def png(shade: int, side: int = 8, mode: str = "L") -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (side, side), shade).save(stream, format="PNG")
    return stream.getvalue()


@pytest.fixture
def texts():
    """Read a path as text classification."""
    return lambda path, **options: read(Data(path=str(path), **options), PROBLEMS["text-classification"])


@pytest.fixture
def images():
    """Read a path as image classification."""
    return lambda path, **options: read(Data(path=str(path), **options), PROBLEMS["image-classification"])


@pytest.fixture
def csv(tmp_path):
    """Write a CSV file of lines and return its path."""

    def write(*lines: str, name: str = "rows.csv") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


@pytest.fixture
def parquet(tmp_path):
    """Write a parquet file of columns and return its path."""

    def write(name: str = "rows.parquet", metadata: dict | None = None, **columns) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path)
        return path

    return write


@pytest.fixture
def folder(tmp_path):
    """Make an image folder: class or split/class to number of images, each of another shade."""

    def make(**classes: int) -> Path:
        root = tmp_path / "images"
        shade = 0
        for name, count in classes.items():
            place = root / name.replace("__", "/")
            place.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                (place / f"{number}.png").write_bytes(png(shade))
                shade += 1
        return root

    return make
