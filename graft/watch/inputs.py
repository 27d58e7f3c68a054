"""The rows that are compared: recent ones without labels, and those of the target as its champion met them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graft.catalog import Data
from graft.errors import BadInput, DataError
from graft.problems import Problem
from graft.reading import read, row_hashes
from graft.reading.reader import read_given
from graft.registry.package import Package, find_problem
from graft.watch.two_sample import FEWEST

if TYPE_CHECKING:
    from graft.catalog import Target
    from graft.problems.examples import Examples

MOST_ROWS = 2000  # of each kind, drawn: more would cost time and tell nothing new


class Inputs(Problem):
    """What a problem is shown, without what it should answer: rows as they come in."""

    truths: tuple[str, ...] = ()

    def __init__(self, problem: Problem) -> None:
        self.problem, self.name, self.modality = problem, f"inputs of {problem.name}", problem.modality
        self.columns = tuple(name for name in problem.columns if name not in problem.truths)

    def convert(self, name: str, values: Sequence[Any]) -> tuple[pa.Array, Mapping[int, str]]:
        """Return a column as the problem itself converts it."""
        return self.problem.convert(name, values)

    def encode(self, table: pa.Table, processor: Any) -> Examples:
        """Return the rows as the problem itself encodes them."""
        return self.problem.encode(table, processor)


def inputs_of(problem: Problem) -> Inputs:
    """Return what a problem is shown; what makes and trains networks is never asked of it."""
    return Inputs(problem)  # type: ignore[abstract]


@dataclass(frozen=True)
class Rows:
    """Canonical rows of inputs, all without answers."""

    trained: pa.Table
    """Training rows of the champion."""
    held: pa.Table
    """Rows of the same dataset that the champion was tested on, and not trained."""
    recent: pa.Table
    known: int
    """Recent rows that are among those; they are left out of `recent`."""


def gather(name: str, target: Target, package: Package, data: str) -> Rows:
    """Return the rows to compare; raises DataError for what cannot be read, BadInput where there are too few."""
    problem = find_problem(package)
    inputs, trained = inputs_of(problem), package.rows_met
    tested = set(pq.read_table(package.folder / "predictions.parquet", columns=["hash"])["hash"].to_pylist()) - trained
    dataset = read(target.data, problem)
    columns = [*inputs.columns, "file", "row"]
    own = pa.concat_tables([table.select(columns) for table in dataset.splits.values()])
    keys = row_hashes(own, inputs)
    known, recent = trained | tested, read_inputs(data, target.watch.columns, inputs)
    seen = [key in known for key in row_hashes(recent, inputs)]
    rows = Rows(
        trained=_draw(own, [key in trained for key in keys]),
        held=_draw(own, [key in tested for key in keys]),
        recent=_draw(recent, [not one for one in seen]),
        known=sum(seen),
    )
    few = [
        f"{what}: {table.num_rows} row(s), expected at least {FEWEST}"
        for what, table in (
            (f"{data}, without {rows.known} row(s) that the champion has met", rows.recent),
            (f"{target.data.path}, rows that {name}@champion was trained on", rows.trained),
            (f"{target.data.path}, rows that it was tested on", rows.held),
        )
        if table.num_rows < FEWEST
    ]
    if few:
        advice = "Gather more recent inputs. Where the dataset has been replaced, `graft run` makes a new champion."
        raise BadInput(f"{name}: too few rows to tell whether inputs have drifted", few, advice)
    return rows


def read_inputs(path: str, columns: Mapping[str, str], inputs: Inputs) -> pa.Table:
    """Return all rows of a dataset, whatever splits it names; labels, if it has any, are not read."""
    given, _, _ = read_given(Data(path=path, columns=dict(columns)), inputs)
    tables = [table.select([*inputs.columns, "file", "row"]) for table in given.values()]
    if not tables:
        raise DataError(f"{path}: no rows")
    return pa.concat_tables(tables)


def _draw(table: pa.Table, chosen: Sequence[bool]) -> pa.Table:
    places = np.flatnonzero(chosen)
    if len(places) > MOST_ROWS:
        places = np.sort(np.random.default_rng(0).choice(places, MOST_ROWS, replace=False))
    return table.take(pa.array(places))
