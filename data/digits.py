"""Build the bundled image example from scikit-learn's handwritten digits (1,797 grey images of 8x8 pixels).

Source: the digits 0 to 5, every fifth row of a digit for test. Target: the digits 6 to 9 in one file, so that
`labels_per_class` in the catalogue decides how many are labelled and the rest is test.
Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI 1998 (CC BY 4.0).

    python data/digits.py

The bytes depend on scikit-learn and pyarrow alone: pixels are stored as uncompressed PNG, written here.
"""

import shutil
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.datasets import load_digits

FOLDER = Path("data/digits")
SOURCE_DIGITS = range(6)
TARGET_DIGITS = range(6, 10)
TEST_EVERY = 5
WHITE = 16  # the data set counts pixels set in blocks of 4x4
SCHEMA = pa.schema([("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), ("label", pa.string())])


def encode_png(pixels: np.ndarray) -> bytes:
    """Return an 8-bit grey PNG without compression: zlib versions differ in what they compress to."""
    height, width = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows, 0)) + _chunk(b"IEND")


def _chunk(kind: bytes, content: bytes = b"") -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def build(folder: Path) -> dict[str, int]:
    """Write the parquet files below `folder` and return the rows of each."""
    digits = load_digits()
    pixels = np.round(digits.images * (255 / WHITE)).astype(np.uint8)
    parts: dict[str, list[int]] = {"source/train": [], "source/test": [], "target/digits": []}
    for digit in (*SOURCE_DIGITS, *TARGET_DIGITS):
        for position, row in enumerate(np.flatnonzero(digits.target == digit).tolist()):
            if digit in TARGET_DIGITS:
                parts["target/digits"].append(row)
            else:
                parts["source/test" if position % TEST_EVERY == TEST_EVERY - 1 else "source/train"].append(row)
    for name, rows in parts.items():
        cells = [
            {
                "image": {"bytes": encode_png(pixels[row]), "path": f"{row:04d}.png"},
                "label": str(digits.target[row]),
            }
            for row in sorted(rows)
        ]
        path = folder / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(cells, schema=SCHEMA), path, compression="none")
    return {name: len(rows) for name, rows in parts.items()}


def main() -> None:
    """Write `data/digits`, whole or not at all."""
    partial = FOLDER.with_name(f".{FOLDER.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    counts = build(partial)
    shutil.rmtree(FOLDER, ignore_errors=True)
    partial.rename(FOLDER)
    print(", ".join(f"{name}: {count} rows" for name, count in counts.items()), file=sys.stderr)


if __name__ == "__main__":
    main()
