"""The identity of an input, and of a dataset."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from graft.errors import DataError
from graft.reading.images import image_bytes, open_image

if TYPE_CHECKING:
    from PIL.Image import Image

    from graft.problems.problem import Problem

DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L")  # more than 8 bits a channel: converting would lose them


def hash_text(text: str) -> str:
    """Return the sha256 of a text; white space around it and the way accents are composed do not count."""
    return hashlib.sha256(unicodedata.normalize("NFC", text).strip().encode("utf-8", "surrogatepass")).hexdigest()


def hash_image(image: Image) -> str:
    """Return the sha256 of size and pixels; the file format and a palette or grey storage do not count."""
    if image.mode not in DEEP_MODES:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    header = f"{image.mode} {image.width} {image.height} ".encode()
    return hashlib.sha256(header + image.tobytes()).hexdigest()


def row_hashes(table: pa.Table, problem: Problem) -> list[str]:
    """Return the sha256 of each row's input: what makes two rows the same to a model, wherever they are stored.

    Raises DataError listing every image that cannot be read.
    """
    if problem.modality == "text":
        return [hash_text(text) for text in table["text"].to_pylist()]
    hashes, problems = [], []
    for cell in table["image"].to_pylist():
        try:
            hashes.append(hash_image(open_image(cell)))
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError(f"{len(problems)} image(s) cannot be read", problems, "Replace or remove them.")
    return hashes


def content_keys(table: pa.Table) -> list[bytes]:
    """Return a sha256 of each row's stored input, without decoding; raises OSError for a missing image file."""
    if "text" in table.column_names:
        return [bytes.fromhex(hash_text(text)) for text in table["text"].to_pylist()]
    return [hashlib.sha256(image_bytes(cell)).digest() for cell in table["image"].to_pylist()]


def fingerprint(splits: Mapping[str, pa.Table], labels: Sequence[str], keys: Mapping[str, Sequence[bytes]]) -> str:
    """Return the sha256 of a dataset's content from the content keys of its rows, in order."""
    total = hashlib.sha256(repr(tuple(labels)).encode())
    for name in sorted(splits):
        table = splits[name]
        total.update(f"{name} {table.num_rows} ".encode())
        total.update(b"".join(keys[name]))
        for column in ("label", "group"):
            if column in table.column_names:
                total.update(repr(table[column].to_pylist()).encode())
    return total.hexdigest()
