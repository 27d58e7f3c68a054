"""Labels as class indices with names, whatever they were stored as."""

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

from graft.reading.formats import Rows, shorten


def name_labels(rows: Rows, column: str, problems: list[str]) -> list[str | None]:
    """Return the label name of every row, None where there is none; what cannot be a label goes to `problems`."""
    place = rows.part.name or rows.part.path.name
    if column in rows.mixed:
        problems.append(
            f"{place}: labels in '{column}' are of several types ({rows.mixed[column]}); write all the same way"
        )
        return []
    names = rows.class_names.get(column)
    values = rows.table[column].to_pylist()
    labels: list[str | None] = []
    broken = []
    for value, file, row in zip(values, rows.files, rows.numbers, strict=True):
        name = _name(value, names)
        if name is None and rows.part.kind == "folders":
            broken.append(f"{file}: lies in no class folder")
        elif name is None:
            broken.append(f"{file}, row {row}: no label in '{column}' ({_found(value, names)})")
        labels.append(name)
    problems.extend(shorten(broken))
    return labels


def _name(value: Any, names: Sequence[str] | None) -> str | None:
    if names is not None and isinstance(value, int):
        return _composed(names[value]) if 0 <= value < len(names) else None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int | str):
        return _composed(str(value)) or None
    return None


def _composed(name: str) -> str:
    """Return a name as one writes it: what looks the same is one label, however its accents were stored (NFC)."""
    return unicodedata.normalize("NFC", name).strip()


def _found(value: Any, names: Sequence[str] | None) -> str:
    if value is None or value == "":
        return "empty"
    if names is not None:
        return f"{value}, but there are {len(names)} class names"
    return f"{value!r}, expected a string or a whole number"


def order_labels(parts: Sequence[Rows], column: str, found: Sequence[str]) -> tuple[str, ...]:
    """Return the names that occur, in index order: as a file declares them, else numbers by value, else alphabetic."""
    for rows in parts:
        declared = [_composed(name) for name in rows.class_names.get(column, [])]
        if set(found) <= set(declared):
            return tuple(name for name in declared if name in set(found))
    names = sorted(set(found))
    try:
        return tuple(sorted(names, key=int))
    except ValueError:
        return tuple(names)


def index_labels(labels: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """Return the index of every label, int64 (rows,)."""
    places = {name: place for place, name in enumerate(names)}
    return np.array([places[label] for label in labels], dtype=np.int64)
