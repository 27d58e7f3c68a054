"""Classes inside of lists and structs, as hub datasets have them in `objects`, by their names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa


def spell(table: pa.Table, features: Mapping[str, Any]) -> pa.Table:
    """Return a table whose nested class numbers are names, as the features that `datasets` stores tell them.

    A number that has no name stays what it is. Columns that are classes themselves are left alone.
    """
    for name, feature in features.items():
        names = dict(_classes("", feature))
        if name in table.column_names and names and "" not in names:
            values = [_spelled(value, names) for value in table[name].to_pylist()]
            table = table.set_column(table.column_names.index(name), name, pa.array(values))
    return table


def _classes(key: str, feature: Any) -> Iterator[tuple[str, list[str]]]:
    """Yield the keys whose values are class numbers, at any depth, with the names of these."""
    if isinstance(feature, list):
        feature = {"feature": feature[0]} if feature else {}
    if not isinstance(feature, Mapping):
        return
    if feature.get("_type") == "ClassLabel" and feature.get("names"):
        yield key, feature["names"]
    elif "feature" in feature:  # a list of what stands there
        yield from _classes(key, feature["feature"])
    else:
        for inner, one in feature.items():
            yield from _classes(inner, one)


def _spelled(value: Any, names: Mapping[str, list[str]], key: str = "") -> Any:
    if isinstance(value, dict):
        return {inner: _spelled(one, names, inner) for inner, one in value.items()}
    if isinstance(value, list):
        return [_spelled(one, names, key) for one in value]
    known = names.get(key)
    if known is None or value is None:
        return value
    return known[value] if isinstance(value, int) and 0 <= value < len(known) else str(value)
