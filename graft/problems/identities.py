"""Identities of rows, numbered over a whole dataset, and lists of the pairs of rows that are compared."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.errors import place_of
from graft.problems.problem import Settled

if TYPE_CHECKING:
    import pyarrow as pa

PAIRS = "test_pairs.csv"
"""The file beside the data that lists the pairs of test rows to compare."""
HEADERS = (("row_a", "row_b"), ("file_a", "file_b"))
SAME = {"1": True, "0": False, "true": True, "false": False}


def read_identities(values: Sequence[Any]) -> tuple[pa.Array, Mapping[int, str]]:
    """Return identities as strings, whole numbers without a point, and why a value is none."""
    import pyarrow as pa

    names = [_name(value) for value in values]
    faults = {row: f"{values[row]!r} is no identity" for row, name in enumerate(names) if name is None}
    return pa.array(names, pa.string()), faults


def _name(value: Any) -> str | None:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip() or None if isinstance(value, int | str) else None


def number_identities(
    splits: Mapping[str, pa.Table], known: Sequence[str]
) -> tuple[dict[str, pa.Table], tuple[str, ...]]:
    """Return the rows with the number of their identity in a column `person`, and the identities of training rows.

    Those of `known`, or else of the training rows, come first, in the order of their names; the others follow.
    """
    import pyarrow as pa

    own = {name: table["identity"].to_pylist() for name, table in splits.items()}
    learned = tuple(known) or tuple(sorted(set(own.get("train", ()))))
    others = sorted({name for names in own.values() for name in names} - set(learned))
    places = {name: place for place, name in enumerate((*learned, *others))}
    numbered = {
        split: table.append_column("person", pa.array([places[name] for name in own[split]], pa.int64()))
        for split, table in splits.items()
    }
    return numbered, learned


def settle_identities(splits: Mapping[str, pa.Table], folder: Path, known: Sequence[str]) -> Settled:
    """Return the rows, those of test with the pairs that `test_pairs.csv` beside the data lists, and all faults."""
    faults = [fault for name, table in splits.items() for fault in _divided(name, table)]
    faults += _already_known(splits, known)
    file = folder / PAIRS
    if not file.is_file():
        return Settled(splits, tuple(known), faults)
    if "test" not in splits:
        return Settled(splits, (), [*faults, f"{PAIRS}: the data have no test split whose rows it could name"])
    listed = _read(file, splits["test"], folder)
    faults += _shorten(listed.faults)
    if not listed.faults:
        faults += _one_kind(listed)
    table = splits["test"] if faults else _with_partners(splits["test"], listed)
    return Settled({**splits, "test": table}, tuple(known), faults)


def _divided(split: str, table: pa.Table) -> Iterator[str]:
    """Yield the identities that are in several groups: no division would keep both together."""
    if "group" not in table.column_names:
        return
    groups: dict[str, set[str]] = {}
    for name, group in zip(table["identity"].to_pylist(), table["group"].to_pylist(), strict=True):
        groups.setdefault(name, set()).add(group)
    for name, found in groups.items():
        if len(found) > 1:
            yield f"split '{split}': identity '{name}' is in groups {', '.join(map(repr, sorted(found)))}; expected one"


def _already_known(splits: Mapping[str, pa.Table], known: Sequence[str]) -> list[str]:
    """Return the rows of identities that the target was trained on, where the rows are to be held against it."""
    learned = set(known)
    first: dict[str, str] = {}
    for table in splits.values() if learned else ():
        for row in table.select(["identity", "file", "row"]).to_pylist():
            if row["identity"] in learned:
                first.setdefault(row["identity"], place_of(row))
    return _shorten(
        [f"{place}: identity '{name}' is one of the target's training rows" for name, place in first.items()]
    )


@dataclass
class _List:
    """Pairs of row numbers, from 0, with the line that each is on."""

    pairs: dict[tuple[int, int], int] = field(default_factory=dict)
    kinds: Counter[bool] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def _read(file: Path, table: pa.Table, folder: Path) -> _List:
    found = _List()
    with file.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        header = tuple(reader.fieldnames or ())
        ends = next((names for names in HEADERS if {*names} <= {*header}), None)
        if ends is None:
            expected = " or ".join(" and ".join(names) for names in HEADERS)
            found.faults.append(
                f"{file.name}: the columns are {', '.join(header) or 'none'}; expected {expected}, `same`"
            )
            return found
        names = _numbers(table) if ends == HEADERS[0] else _names(table, folder)
        identities = table["identity"].to_pylist()
        for line, row in enumerate(reader, start=2):
            try:
                _add(found, row, ends, names, identities, line)
            except ValueError as fault:
                found.faults.append(f"{file.name}, line {line}: {fault}")
    return found


def _add(
    found: _List,
    row: Mapping[str, str | None],
    ends: Sequence[str],
    names: Mapping[str, int],
    identities: Sequence[str],
    line: int,
) -> None:
    """Take in one line; raises ValueError saying what is wrong with it."""
    given = [(row[end] or "").strip() for end in ends]
    if missing := [f"{end} {one!r}" for end, one in zip(ends, given, strict=True) if one not in names]:
        what = f"rows 0 to {len(identities) - 1}" if ends == HEADERS[0] else "files of the test split"
        raise ValueError(f"{', '.join(missing)} is no test row; expected {what}")
    first, second = sorted(names[one] for one in given)
    if first == second:
        raise ValueError(f"{given[0]} is compared with itself")
    if (first, second) in found.pairs:
        raise ValueError(f"the same pair as in line {found.pairs[first, second]}")
    same = identities[first] == identities[second]
    said = (row.get("same") or "").strip().lower()
    if said and SAME.get(said) is not same:
        whose = "both are" if same else "they are"
        who = f"'{identities[first]}'" if same else f"'{identities[first]}' and '{identities[second]}'"
        raise ValueError(
            f"`same` is {said!r}, but {whose} {who}" if said in SAME else f"`same` is {said!r}, expected 0 or 1"
        )
    found.pairs[first, second] = line
    found.kinds[same] += 1


def _one_kind(listed: _List) -> list[str]:
    if listed.kinds[True] and listed.kinds[False]:
        return []
    return [
        f"{PAIRS}: {listed.kinds[True]} pairs of one identity and {listed.kinds[False]} of two; expected some of both"
    ]


def _numbers(table: pa.Table) -> dict[str, int]:
    return {str(row): row for row in range(table.num_rows)}


def _names(table: pa.Table, folder: Path) -> dict[str, int]:
    """Return the row of each file, by its path as seen from the folder of the data."""
    found: dict[str, int] = {}
    for number, row in enumerate(table.select(["image", "file", "row"]).to_pylist()):
        path = Path(row["file"]) if not row["row"] else Path(row["image"]["path"] or row["file"])
        inside = path.relative_to(folder) if path.is_relative_to(folder) else path
        found.setdefault(inside.as_posix(), number)
    return found


def _with_partners(table: pa.Table, listed: _List) -> pa.Table:
    """Return test rows with their number, and the numbers of the later rows that each is compared with."""
    import pyarrow as pa

    partners: list[list[int]] = [[] for _ in range(table.num_rows)]
    for first, second in listed.pairs:
        partners[first].append(second)
    table = table.append_column("number", pa.array(range(table.num_rows), pa.int64()))
    return table.append_column("partners", pa.array(partners, pa.list_(pa.int64())))


def _shorten(faults: Sequence[str]) -> list[str]:
    from graft.reading.formats import shorten

    return shorten([*faults])
