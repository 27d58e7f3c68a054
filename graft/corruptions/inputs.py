"""Whole tables corrupted: the same rows and seed give the same damage, in any order and on any machine."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from graft.corruptions.corruption import Family

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Inputs:
    """The inputs of a table, read once for every corruption and severity."""

    table: pa.Table
    family: Family
    values: Sequence[Any]
    keys: Sequence[str]
    """The identity of each input, before it was reduced."""


def open_inputs(table: pa.Table, family: Family, side: int | None = None) -> Inputs:
    """Return the inputs of a canonical table, reduced to what the network sees: `side` pixels, or samples a second.

    Give the resolution of the network's input: noise added to twelve megapixels would be averaged away before the
    network sees it. The published image benchmarks corrupt the crop that the network sees, too.
    """
    values, keys = [], []
    for cell in table[family.column].to_pylist():
        value = family.read(cell)
        keys.append(family.identify(value))
        values.append(value if side is None else family.reduce(value, side))
    return Inputs(table, family, values, keys)


def corrupt(inputs: Inputs, name: str, severity: int, seed: int) -> pa.Table:
    """Return the table with every input corrupted; severity 0 is the table as it was given."""
    import pyarrow as pa

    if severity == 0:
        return inputs.table
    family = inputs.family
    corruption = family.members[name]
    cells = [
        family.write(corruption(value, severity, _draws(seed, name, key)))
        for value, key in zip(inputs.values, inputs.keys, strict=True)
    ]
    place = inputs.table.schema.get_field_index(family.column)
    kind = inputs.table.schema.field(place).type
    return inputs.table.set_column(place, family.column, pa.array(cells, type=kind))


def _draws(seed: int, name: str, key: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed} {name} {key}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))
