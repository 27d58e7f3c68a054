"""The identity of rows, and of a dataset."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from graft.reading.media import FILES, MEDIA

if TYPE_CHECKING:
    from graft.problems.problem import Problem


NOT_CONTENT = {"file", "row", *(medium.column for medium in MEDIA.values())}
"""Columns that are provenance, or inputs, which the content keys are of."""


def row_hashes(table: pa.Table, problem: Problem) -> list[str]:
    """Return the sha256 of each row's input: what makes two rows the same to a model, wherever they are stored.

    Raises DataError listing every input that cannot be read.
    """
    medium = MEDIA[problem.modality]
    return _with_rest(medium.of_each(table[medium.column].to_pylist(), medium.identify), table, problem)


def content_keys(table: pa.Table, problem: Problem) -> list[bytes]:
    """Return a sha256 of each row's stored input, without decoding; raises OSError for a missing file."""
    medium = MEDIA[problem.modality]
    stored = [medium.stored(cell).hex() for cell in table[medium.column].to_pylist()]
    return [bytes.fromhex(key) for key in _with_rest(stored, table, problem)]


def _with_rest(hashes: Sequence[str], table: pa.Table, problem: Problem) -> list[str]:
    """Return hashes that hold the other inputs of a row too, such as a question about a text, where it has any."""
    medium = MEDIA[problem.modality]
    rest = [name for name in problem.columns if name != medium.column and name not in problem.truths]
    if not rest:
        return list(hashes)
    others = table.select(rest).to_pylist()
    return [hashlib.sha256(f"{one} {row!r}".encode()).hexdigest() for one, row in zip(hashes, others, strict=True)]


def values_of(table: pa.Table, column: str) -> list[Any]:
    """Return the values of a column; of files the sha256 of what they hold, wherever they are stored."""
    values: list[Any] = table[column].to_pylist()
    return [FILES[column].stored(cell).hex() for cell in values] if column in FILES else values


def fingerprint(splits: Mapping[str, pa.Table], labels: Sequence[str], keys: Mapping[str, Sequence[bytes]]) -> str:
    """Return the sha256 of a dataset's content from the content keys of its rows, in order."""
    total = hashlib.sha256(repr(tuple(labels)).encode())
    for name in sorted(splits):
        table = splits[name]
        total.update(f"{name} {table.num_rows} ".encode())
        total.update(b"".join(keys[name]))
        own = [name for name in table.column_names if name not in {*NOT_CONTENT, "label", "group"}]
        for column in ("label", "group", *own):
            if column in table.column_names:
                total.update(repr(values_of(table, column)).encode())
    return total.hexdigest()
