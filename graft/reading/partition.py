"""From the splits that the data has to the splits that the catalogue asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from graft.errors import DataError
from graft.reading.splitting import (
    choose_below,
    choose_budget,
    choose_groups,
    choose_per_class,
    draw_order,
    member,
    strata,
    together,
)

if TYPE_CHECKING:
    from graft.catalog import Data

Splits = dict[str, pa.Table]
Keys = dict[str, list[bytes]]
EXPECTED = "expected train and test, or neither"


def divide(
    given: Mapping[str, pa.Table],
    keys: Mapping[str, Sequence[bytes]],
    data: Data,
    labels: Sequence[str],
    problems: list[str],
    in_order: bool = False,
) -> tuple[Splits, Keys]:
    """Return splits and content keys with train cut to the labelled budget and test made where there is none.

    A test part made here never holds an input of the training part: such rows are left out. With `in_order` the
    paragraphs of plain text are not drawn one by one: whole files become test, or the end of the only one.
    """
    pool = "train" if "train" in given else "all"
    if pool not in given:
        problems.append(f"no training rows: the splits are {', '.join(sorted(given))}; {EXPECTED}")
        return {}, {}
    chosen = {name: (table, np.arange(table.num_rows)) for name, table in given.items() if name != pool}
    table = given[pool]
    try:
        train, rest = _cut(table, draw_order(keys[pool], data.seed), data, "test" not in given, in_order)
    except DataError as error:
        problems.append(str(error))
        return {}, {}
    problems.extend(_too_few(table, train, data, labels))
    if "test" not in given:
        seen = {keys[pool][row] for row in train.tolist()}
        fresh = [row for row in rest.tolist() if keys[pool][row] not in seen]
        if not fresh and not problems:
            problems.append(
                f"nothing is left for test: all {table.num_rows} rows are training rows or equal to one;"
                " lower `labels_per_class` or add a test split"
            )
        chosen["test"] = (table, np.array(fresh, dtype=np.int64))
    chosen["train"] = (table, train)
    splits = {name: rows_of.take(pa.array(rows)) for name, (rows_of, rows) in chosen.items()}
    origin = {name: name if name in given and name != pool else pool for name in chosen}
    return splits, {name: [keys[origin[name]][row] for row in rows.tolist()] for name, (_, rows) in chosen.items()}


def _cut(
    table: pa.Table, order: np.ndarray, data: Data, make_test: bool, in_order: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows for train and for test (empty when test is given), drawn by an order."""
    everything = np.arange(table.num_rows)
    labels, budget, units = strata(table), data.labels or data.labels_per_class, together(table)

    def choose(rows: np.ndarray) -> np.ndarray:
        """Return those of some rows that the budget pays for."""
        if budget is None:
            return rows
        if "identity" in table.column_names and units is not None:
            chosen = choose_budget([units[row] for row in rows], budget, data.seed)
        else:
            chosen = choose_per_class(labels[rows], budget, order[rows])
        return np.asarray(rows[chosen])

    if not make_test:
        return choose(everything), everything[:0]
    whole = in_order and units is None and _is_plain_text(table)
    if units is None and budget is not None and not whole:
        train = choose(everything)
        return train, np.setdiff1d(everything, train)
    if whole:
        test = _choose_whole(table, data)
    elif units is None:
        test = choose_below(labels, data.test_share, order)
    else:
        test = choose_groups(labels, units, data.test_share, data.seed)
    return choose(everything[~member(test, table.num_rows)]), test


def _is_plain_text(table: pa.Table) -> bool:
    return all(name.lower().endswith(".txt") for name in table["file"].unique().to_pylist())


def _choose_whole(table: pa.Table, data: Data) -> np.ndarray:
    """Return the rows of whole files near `test_share` of all, or the last of the only file: at least one, not all."""
    files = table["file"].to_pylist()
    if len(set(files)) > 1:
        return choose_groups(strata(table), files, data.test_share, data.seed)
    count = min(max(round(data.test_share * len(files)), 1), len(files) - 1)
    return np.arange(len(files) - count, len(files))


def _too_few(table: pa.Table, train: np.ndarray, data: Data, labels: Sequence[str]) -> list[str]:
    if data.labels is not None and "identity" in table.column_names:
        few = f"data.labels: {data.labels} rows hold no two whole identities; the smallest budget that does is larger"
        return [few] if len(set(together(table.take(pa.array(train))) or ())) < 2 else []
    if data.labels is not None and len(train) < data.labels:
        return [f"{len(train)} training rows, fewer than data.labels: {data.labels}"]
    if data.labels_per_class is None or "label" not in table.column_names:
        return []
    found = np.bincount(table["label"].to_numpy()[train], minlength=len(labels))
    where = " outside of the test groups" if data.group else ""
    return [
        f"class '{name}' has {count} row(s){where}, fewer than labels_per_class: {data.labels_per_class}"
        for name, count in zip(labels, found.tolist(), strict=True)
        if count < data.labels_per_class
    ]
