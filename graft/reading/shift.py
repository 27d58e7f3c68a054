"""Shift sets: labelled rows from elsewhere, with the target's labels, that nothing is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from graft.catalog import Data
from graft.errors import DataError
from graft.manifest import files_digest, list_files, sha256
from graft.reading.dataset import Dataset
from graft.reading.formats import shorten
from graft.reading.hashing import fingerprint
from graft.reading.reader import read_given

if TYPE_CHECKING:
    from graft.catalog import Shift
    from graft.problems.problem import Problem


def read_shift(shift: Shift, problem: Problem, labels: Sequence[str]) -> Dataset:
    """Return the rows as a dataset of one split, `test`, with the target's `labels`.

    Raises DataError listing every problem: what any dataset is refused for, every label that the target does not
    have with the first of its rows, and files that are not those of `digest`.
    """
    path = Path(shift.path)
    if shift.digest is not None and path.exists() and (found := path_digest(path)) != shift.digest:
        raise DataError(
            f"{shift.path}: sha256 is {found[:12]}, params.yaml says {shift.digest[:12]}",
            advice="The files have changed; write the new digest into params.yaml if that is meant.",
        )
    given, names, keys = read_given(Data(path=shift.path, columns=shift.columns), problem, labels)
    chosen = ["test"] if "test" in given else sorted(given)
    table = pa.concat_tables([given[split] for split in chosen])
    if "label" in table.column_names:
        table = _relabel(table, names, labels, shift.path)
    rows = [key for split in chosen for key in keys[split]]
    splits = problem.conclude({"test": table}, labels)[0]
    return Dataset(splits, tuple(labels), fingerprint(splits, labels, {"test": rows}))


def path_digest(path: Path) -> str:
    """Return the sha256 of a file, or one over names and contents of all files of a folder."""
    return sha256(path) if path.is_file() else files_digest(list_files(path))


def _relabel(table: pa.Table, names: Sequence[str], labels: Sequence[str], path: str) -> pa.Table:
    """Return the table with indices into `labels`; raises DataError naming labels that are not among them."""
    if "label" not in table.column_names:
        return table
    found = np.asarray(table["label"], dtype=np.int64)
    unknown = [index for index, name in enumerate(names) if name not in labels and (found == index).any()]
    if unknown:
        raise DataError(
            f"{path}: {len(unknown)} label(s) that the target does not have",
            shorten([_unknown(table, found, index, names[index]) for index in unknown]),
            f"The target's labels are {', '.join(labels)}. Rename or leave out the rows of others.",
        )
    places = np.array([labels.index(name) if name in labels else -1 for name in names], dtype=np.int64)
    return table.set_column(table.schema.get_field_index("label"), "label", pa.array(places[found], pa.int64()))


def _unknown(table: pa.Table, found: np.ndarray, index: int, name: str) -> str:
    rows = np.flatnonzero(found == index)
    first = table.slice(int(rows[0]), 1).to_pylist()[0]
    place = f"{first['file']}, row {first['row']}" if first["row"] else first["file"]
    return f"'{name}' in {len(rows)} row(s), the first is {place}"
