"""Read any dataset into one form; everything that is wrong with it is said at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from graft.errors import DataError
from graft.reading.columns import SPLIT, find_columns, is_file_type, is_text_type
from graft.reading.dataset import Dataset
from graft.reading.formats import Rows, load, shorten
from graft.reading.hashing import content_keys, fingerprint
from graft.reading.labels import index_labels, name_labels, order_labels
from graft.reading.layout import discover, split_of
from graft.reading.media import FILES, Medium
from graft.reading.packed import look_into
from graft.reading.partition import divide

if TYPE_CHECKING:
    from graft.catalog import Data
    from graft.problems.problem import Problem


def read(data: Data, problem: Problem) -> Dataset:
    """Return the splits that the catalogue asks for; raises DataError listing every problem of the data."""
    problems: list[str] = []
    joined, labels, keys = read_given(data, problem)
    splits, keys = divide(joined, keys, data, labels, problems, problem.in_order)
    _refuse(data, problems)
    concluded, labels = problem.conclude(splits, labels)
    return Dataset(concluded, labels, fingerprint(concluded, labels, keys), keys)


def read_given(
    data: Data, problem: Problem, known: Sequence[str] = ()
) -> tuple[dict[str, pa.Table], tuple[str, ...], dict[str, list[bytes]]]:
    """Return the splits as the data have them (`all` where none is named), the labels, and each row's content key.

    `known` are the labels of the dataset that these rows are held against, where there is one.
    """
    problems: list[str] = []
    parts = load_parts(Path(data.path), problems)
    if not any(rows.table.num_rows for rows in parts):
        _refuse(data, problems)  # else what is wrong with the rows that could be read is said with it
    tables, labels = _canonical(parts, data, problem, problems)
    _refuse(data, problems)
    given: dict[str, list[pa.Table]] = {}
    for rows, table in zip(parts, tables, strict=True):
        for split, piece in _by_split(rows, table, problems):
            given.setdefault(split, []).append(piece)
    joined = {split: pa.concat_tables(pieces) for split, pieces in given.items()}
    problems.extend(f"split '{split}': no rows" for split, table in joined.items() if not table.num_rows)
    _refuse(data, problems)
    keys = _keys(joined, problem, problems)
    _refuse(data, problems)
    if "label" not in problem.columns:
        path = look_into(Path(data.path))
        settled = problem.settle(joined, path if path.is_dir() else path.parent, known)
        _refuse(data, settled.faults)
        joined, labels = dict(settled.splits), settled.labels
    return joined, labels, keys


def load_parts(path: Path, problems: list[str]) -> list[Rows]:
    """Return every part that can be read; what cannot goes to `problems`."""
    loaded = [load(part, problems) for part in discover(path)]
    return [rows for rows in loaded if rows is not None]


def _refuse(data: Data, problems: Sequence[str]) -> None:
    if problems:
        raise DataError(f"{data.path}: {len(problems)} problem(s) with the data", problems)


def _canonical(
    parts: Sequence[Rows], data: Data, problem: Problem, problems: list[str]
) -> tuple[list[pa.Table], tuple[str, ...]]:
    filled = [rows for rows in parts if rows.table.num_rows] or list(parts)
    try:
        wanted = find_columns_of(filled, problem.columns, data.columns, data.group, data.path)
    except DataError as error:
        if problems:
            _refuse(data, [*problems, *error.problems])
        raise
    unread = len(problems)
    for rows in parts:
        missing = [name for name in wanted.values() if name not in rows.table.column_names]
        if missing == ["label"] and rows.part.kind == "folders":
            problems.append(
                f"{rows.part.name}: no class folders, so no labels; {problem.name} needs one folder a class"
            )
        elif missing and rows.table.num_rows:
            found = ", ".join(rows.table.column_names)
            problems.append(f"{rows.part.name}: no column {', '.join(map(repr, missing))}; the columns are {found}")
    if len(problems) > unread:
        _refuse(data, problems)
    names = {id(rows): name_labels(rows, wanted["label"], problems) for rows in filled} if "label" in wanted else {}
    known = [name for part in names.values() for name in part if name is not None]
    labels = order_labels(parts, wanted["label"], known) if "label" in wanted else ()
    tables = [_convert(rows, wanted, problem, problems) for rows in parts]
    _refuse(data, problems)
    for rows, table in zip(parts, tables, strict=True):
        problems.extend(_said(rows, problem.find_faults(table)))
    _refuse(data, problems)
    if "label" in wanted:
        for place, rows in enumerate(parts):
            indices = index_labels([name for name in names.get(id(rows), []) if name is not None], labels)
            tables[place] = tables[place].add_column(1, "label", pa.array(indices, type=pa.int64()))
    return tables, labels


def find_columns_of(
    parts: Sequence[Rows], wanted: Sequence[str], given: Mapping[str, str], group: str | None, place: str
) -> dict[str, str]:
    """Return the columns of the training part, as all must have them; raises DataError naming the part."""
    first = min(parts, key=lambda rows: rows.part.split != "train")
    try:
        return find_columns(first.table, wanted, given, group, first.class_names)
    except DataError as error:
        where = f"{place}/{first.part.name}" if Path(place).is_dir() and first.part.name else place
        headline = f"{where}: the columns that the problem needs cannot be told"
        raise DataError(headline, error.problems) from None


def _convert(rows: Rows, wanted: Mapping[str, str], problem: Problem, problems: list[str]) -> pa.Table:
    """Return inputs, group and provenance of one part in canonical types; labels follow when all are known."""
    columns: dict[str, pa.Array] = {}
    if not rows.table.num_rows:
        columns = {name: pa.array([], type=FILES[name].type if name in FILES else pa.string()) for name in wanted}
        columns |= {name: problem.convert(name, [])[0] for name in wanted if name in _own(problem)}
        columns.pop("label", None)
    else:
        for canonical, column in wanted.items():
            if canonical in FILES:
                columns[canonical] = _inputs(rows, column, FILES[canonical], problems)
            elif canonical in _own(problem):
                values, faults = problem.convert(canonical, rows.table[column].to_pylist())
                problems.extend(_said(rows, ((row, f"'{column}': {fault}") for row, fault in faults.items())))
                columns[canonical] = values
            elif canonical != "label":
                columns[canonical] = _strings(rows, column, problems)
    columns["file"] = pa.array(rows.files, type=pa.string())
    columns["row"] = pa.array(rows.numbers, type=pa.int64())
    return pa.table(columns) if len({len(column) for column in columns.values()}) == 1 else pa.table({})


def _own(problem: Problem) -> list[str]:
    """Return the columns that only this problem knows: neither files, nor text, nor label."""
    return [name for name in problem.columns if name not in {*FILES, "text", "label"}]


def _said(rows: Rows, faults: Iterable[tuple[int, str]]) -> list[str]:
    """Return faults of rows, by their place in a part, as one says them."""
    return shorten([f"{rows.files[row]}, row {rows.numbers[row]}: {fault}" for row, fault in faults])


def _strings(rows: Rows, column: str, problems: list[str]) -> pa.Array:
    if column in rows.mixed:
        problems.append(f"{rows.part.name}: values of '{column}' are of several types ({rows.mixed[column]})")
        return pa.array([], type=pa.string())
    values = rows.table[column].to_pylist()
    problems.extend(_nulls(rows, column, values))
    return pa.array([None if value is None else str(value) for value in values], type=pa.string())


def _nulls(rows: Rows, column: str, values: Sequence[Any]) -> list[str]:
    places = zip(values, rows.files, rows.numbers, strict=True)
    return shorten([f"{file}, row {row}: '{column}' is empty" for value, file, row in places if value is None])


def _inputs(rows: Rows, column: str, medium: Medium, problems: list[str]) -> pa.Array:
    kind = rows.table.schema.field(column).type
    values = rows.table[column].to_pylist()
    if is_text_type(kind):
        return _files(rows, column, medium, values, problems)
    if not is_file_type(kind):
        problems.append(
            f"{rows.part.name}: '{column}' is {kind}, expected {medium.column} bytes or paths of {medium.column} files"
        )
        return pa.array([], type=medium.type)
    if pa.types.is_struct(kind):
        if all(value and value["bytes"] is None and value.get("path") for value in values):  # files beside the table
            return _files(rows, column, medium, [value["path"] for value in values], problems)
        problems.extend(_nulls(rows, column, [value and value["bytes"] for value in values]))
        return pa.array(
            [value and {"bytes": value["bytes"], "path": value.get("path")} for value in values], type=medium.type
        )
    problems.extend(_nulls(rows, column, values))
    return pa.array([{"bytes": value, "path": None} for value in values], type=medium.type)


def _files(rows: Rows, column: str, medium: Medium, values: Sequence[str | None], problems: list[str]) -> pa.Array:
    """Return cells for paths relative to the file that names them."""
    problems.extend(_nulls(rows, column, values))
    folder = rows.part.path.parent
    missing = [
        f"{file}, row {row}: no {medium.column} file {folder / value}"
        for value, file, row in zip(values, rows.files, rows.numbers, strict=True)
        if value is not None and not (folder / value).is_file()
    ]
    problems.extend(shorten(missing))
    return pa.array([{"bytes": None, "path": str(folder / (value or ""))} for value in values], type=medium.type)


def _by_split(rows: Rows, table: pa.Table, problems: list[str]) -> list[tuple[str, pa.Table]]:
    """Return the part under the split that its file, or else its column `split`, names; `all` where neither does."""
    if rows.part.split is not None or SPLIT not in rows.table.column_names:
        return [(rows.part.split or "all", table)]
    splits = [split_of(str(value)) for value in rows.table[SPLIT].to_pylist()]
    unknown = [place for place, split in enumerate(splits) if split is None]
    if unknown:
        found = [
            f"{rows.files[place]}, row {rows.numbers[place]}: split {_quoted(rows.table[SPLIT][place].as_py())},"
            " expected train, validation or test"
            for place in unknown
        ]
        problems.extend(shorten(found))
        return []
    names = [split for split in splits if split is not None]
    return [(name, table.filter(pa.array([split == name for split in names]))) for name in sorted(set(names))]


def _quoted(value: Any) -> str:
    return "is empty" if value is None else f"'{value}'"


def _keys(splits: Mapping[str, pa.Table], problem: Problem, problems: list[str]) -> dict[str, list[bytes]]:
    keys = {}
    for name, table in splits.items():
        try:
            keys[name] = content_keys(table, problem)
        except OSError as error:
            problems.append(f"{error.filename}: cannot be read ({error.strerror})")
    return keys
