import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from graft.reading import Dataset
from graft.reading.cells import FILE


def noise(seed: int, side: int = 16) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()


def table(column: pa.Array, labels: list[int] | None, file: str) -> pa.Table:
    columns = {"image" if column.type == FILE else "text": column}
    if labels is not None:
        columns["label"] = pa.array(labels, type=pa.int64())
    count = len(column)
    return pa.table(columns | {"file": [file] * count, "row": list(range(1, count + 1))})


@pytest.fixture
def sentences():
    """Make a text dataset of (text, label index) rows."""

    def make(train, test, labels=("bad", "good")) -> Dataset:
        splits = {
            name: table(pa.array([text for text, _ in rows]), [label for _, label in rows], f"{name}.csv")
            for name, rows in (("train", train), ("test", test))
        }
        return Dataset(splits, labels, "0" * 64)

    return make


@pytest.fixture
def pictures():
    """Make an image dataset of encoded images, two classes in turn."""

    def make(train: list[bytes], test: list[bytes]) -> Dataset:
        splits = {}
        for name, contents in (("train", train), ("test", test)):
            cells = [{"bytes": content, "path": f"{place}.png"} for place, content in enumerate(contents)]
            labels = [place % 2 for place in range(len(cells))]
            splits[name] = table(pa.array(cells, type=FILE), labels, f"{name}.parquet")
        return Dataset(splits, ("cat", "dog"), "0" * 64)

    return make
