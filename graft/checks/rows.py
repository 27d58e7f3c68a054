"""One derived row per sample: what expectations look at instead of pixels and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from graft.errors import DataError
from graft.reading import Dataset, convert_image, hash_image, hash_text, open_image

if TYPE_CHECKING:
    import pyarrow as pa
    from PIL.Image import Image

    from graft.problems.problem import Problem

SHOWN = 80  # characters of a text that a message repeats
SPLIT_ORDER = ("train", "validation", "test")


def derive(dataset: Dataset, problem: Problem, tokenizer: Path | None = None) -> pd.DataFrame:
    """Return split, file, row, label name, hash and features of every row, train first.

    Images: `decodable`, `width`, `height`, `mode`, `mean` and `deviation` of the grey values (0 to 255),
    `perceptual` hash. Texts: `characters`, `words`, and `tokens`, `unknown` where a tokenizer is given. `what`
    shows the row to a person.
    """
    frames = []
    for split in sorted(dataset.splits, key=SPLIT_ORDER.index):
        table = dataset.splits[split]
        frame = pd.DataFrame({"split": split, "file": table["file"].to_pylist(), "row": table["row"].to_pylist()})
        if "label" in table.column_names:
            frame["label"] = [dataset.labels[label] for label in table["label"].to_pylist()]
        if "group" in table.column_names:
            frame["group"] = table["group"].to_pylist()
        features = _images(table) if problem.modality == "image" else _texts(table, tokenizer)
        frames.append(pd.concat([frame, pd.DataFrame(features)], axis="columns"))
    return pd.concat(frames, ignore_index=True)


def place(row: Mapping[Any, Any]) -> str:
    """Return where a derived row comes from, as a person would say it."""
    return f"{row['file']}, row {row['row']}" if row["row"] else str(row["file"])


def _texts(table: pa.Table, tokenizer: Path | None) -> dict[str, Sequence[Any]]:
    texts = table["text"].to_pylist()
    features: dict[str, Sequence[Any]] = {
        "hash": [hash_text(text) for text in texts],
        "characters": [len(text.strip()) for text in texts],
        "words": [len(text.split()) for text in texts],
        "what": [_shorten(text) for text in texts],
    }
    return features | (_tokens(texts, tokenizer) if tokenizer else {})


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else f"{line[:SHOWN]} …"


def _tokens(texts: Sequence[str], path: Path) -> dict[str, Sequence[int]]:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    unknown: int | None = tokenizer.token_to_id(getattr(tokenizer.model, "unk_token", None) or "[UNK]")
    encoded = [encoding.ids for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False)]
    return {"tokens": [len(ids) for ids in encoded], "unknown": [sum(one == unknown for one in ids) for ids in encoded]}


def _images(table: pa.Table) -> list[dict[str, Any]]:
    return [_describe(cell) for batch in _batches(table) for cell in batch]


def _batches(table: pa.Table, size: int = 1000) -> Iterator[list[Any]]:
    """Yield image cells a few at a time, so that a large dataset is never in memory twice."""
    for start in range(0, table.num_rows, size):
        yield table["image"].slice(start, size).to_pylist()


def _describe(cell: Mapping[str, Any]) -> dict[str, Any]:
    try:
        image = open_image(cell)
    except DataError as error:
        nothing: dict[str, Any] = dict.fromkeys(
            ("hash", "width", "height", "mode", "mean", "deviation", "perceptual"), None
        )
        return nothing | {"decodable": False, "what": str(error)}
    grey = np.asarray(convert_image(image, "L"), dtype=np.float64)
    return {
        "decodable": True,
        "hash": hash_image(image),
        "width": image.width,
        "height": image.height,
        "mode": image.mode,
        "mean": round(float(grey.mean()), 3),
        "deviation": round(float(grey.std()), 3),
        "perceptual": _perceptual(image),
        "what": f"{image.width}x{image.height}, {image.mode}",
    }


def _perceptual(image: Image) -> str:
    """Return the 64-bit DCT hash of an image (Zauner 2010, section 3.2.1); equal for images that look alike."""
    import imagehash

    return str(imagehash.phash(image))
