"""Sets of labels: read from any cell, their names agreed on over a whole dataset, and then 1 or 0 for each label."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.problems.masks import CLASSES, declared_classes
from graft.problems.problem import Settled

if TYPE_CHECKING:
    import pyarrow as pa

SEPARATORS = ("|", ";")
"""What parts names in a cell of text: the first of these that it holds."""


def read_names(values: Sequence[Any]) -> tuple[pa.Array, Mapping[int, str]]:
    """Return the names of each row's labels, sorted, and what is wrong with which row's.

    A value is a list of names, or a text of names with `|` or `;` between them; nothing, or an empty one, is a row
    without labels.
    """
    import pyarrow as pa

    names: list[list[str]] = []
    faults: dict[int, str] = {}
    for row, value in enumerate(values):
        given = _split(value)
        wrong = [
            one for one in given if not isinstance(one, str | int) or isinstance(one, bool) or not str(one).strip()
        ]
        found = [str(one).strip() for one in given if one not in wrong]
        if wrong:
            faults[row] = f"{wrong[0]!r} is no label; expected a list of names, or names with | or ; between them"
        elif parted := [name for name in found if SEPARATORS[0] in name]:
            faults[row] = f"{parted[0]!r} holds {SEPARATORS[0]!r}, which stands between names"
        elif twice := sorted({name for name in found if found.count(name) > 1}):
            faults[row] = f"'{twice[0]}' is there more than once"
        names.append([] if row in faults else sorted(found))
    return pa.array(names, pa.list_(pa.string())), faults


def settle_labels(splits: Mapping[str, pa.Table], folder: Path, known: Sequence[str]) -> Settled:
    """Return the rows with 1 or 0 for each label, and the labels: `known`, else those of `classes.txt`, else of train.

    A fault is every row with a name that is none of them.
    """
    training = splits["train"] if "train" in splits else splits.get("all")
    found = {name for names in training["labels"].to_pylist() for name in names} if training is not None else set()
    labels = tuple(known) or declared_classes(folder) or _ordered(found)
    if not labels:
        return Settled(splits, (), [f"no training row has any label; expected some, or {CLASSES} beside the data"])
    faults = [fault for table in splits.values() for fault in _unknown(table, labels, bool(known))]
    if faults:
        return Settled(splits, labels, faults)
    return Settled({name: _marked(table, labels) for name, table in splits.items()}, labels)


def _split(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, str):
        return list(value) if isinstance(value, list | tuple) else [value]
    parted = next((value.split(one) for one in SEPARATORS if one in value), [value])
    return parted if value.strip() else []


def _ordered(names: set[str]) -> tuple[str, ...]:
    """Return names in the order of their numbers where all are numbers, else of the alphabet."""
    try:
        return tuple(sorted(names, key=int))
    except ValueError:
        return tuple(sorted(names))


def _unknown(table: pa.Table, labels: Sequence[str], of_target: bool) -> Iterator[str]:
    from graft.reading.formats import shorten

    known = f"the labels{' of the target' if of_target else ''} are {', '.join(labels)}"
    rows = table.select(["labels", "file", "row"]).to_pylist()
    strange = [[name for name in row["labels"] if name not in labels] for row in rows]
    yield from shorten(
        [
            f"{row['file']}, row {row['row']}: no label {', '.join(map(repr, names))}; {known}"
            for row, names in zip(rows, strange, strict=True)
            if names
        ]
    )


def _marked(table: pa.Table, labels: Sequence[str]) -> pa.Table:
    import pyarrow as pa

    rows = [[int(label in names) for label in labels] for names in map(set, table["labels"].to_pylist())]
    place = table.schema.get_field_index("labels")
    return table.set_column(place, "labels", pa.array(rows, pa.list_(pa.int8())))
