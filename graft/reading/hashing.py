"""The identity of rows, and of a dataset."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from graft.reading.media import MEDIA

if TYPE_CHECKING:
    from graft.problems.problem import Problem


def row_hashes(table: pa.Table, problem: Problem) -> list[str]:
    """Return the sha256 of each row's input: what makes two rows the same to a model, wherever they are stored.

    Raises DataError listing every input that cannot be read.
    """
    medium = MEDIA[problem.modality]
    return medium.of_each(table[medium.column].to_pylist(), medium.identify)


def content_keys(table: pa.Table, problem: Problem) -> list[bytes]:
    """Return a sha256 of each row's stored input, without decoding; raises OSError for a missing file."""
    medium = MEDIA[problem.modality]
    return [medium.stored(cell) for cell in table[medium.column].to_pylist()]


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
