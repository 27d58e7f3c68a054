"""Shift sets before any training: they can be read, have the target's labels, and hold nothing that was trained on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.errors import DataError, place_of
from graft.reading import path_digest, read_shift, row_hashes

if TYPE_CHECKING:
    import pandas as pd

    from graft.catalog import Shift, Target
    from graft.problems import Problem

LISTED = 5  # rows named of one problem; the rest are counted


@dataclass
class ShiftChecks:
    """What was found about each set, and what is wrong with any of them."""

    sets: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def check_shifts(
    target: Target, problem: Problem, labels: Sequence[str], rows: pd.DataFrame, source: pd.DataFrame
) -> ShiftChecks:
    """Return the findings about all shift sets; `rows` and `source` are the derived rows of target and source.

    Rows that occur in training are judged by the thresholds of the target's own test rows: `max_leaked_share` for
    the target's training rows, `max_contaminated_share` for the source's.
    """
    checks, found = target.data.checks, ShiftChecks()
    trained = (
        ("the training row", rows[rows["split"] == "train"], checks.max_leaked_share),
        ("the source's training row", source[source["split"] == "train"], checks.max_contaminated_share),
    )
    for name, shift in target.evaluation.shifts.items():
        try:
            _check(name, shift, problem, labels, trained, found)
        except DataError as error:
            found.problems.append("\n      ".join([f"shift set '{name}': {error.headline}", *error.problems]))
    return found


def _check(
    name: str,
    shift: Shift,
    problem: Problem,
    labels: Sequence[str],
    trained: Sequence[tuple[str, pd.DataFrame, float]],
    found: ShiftChecks,
) -> None:
    dataset = read_shift(shift, problem, labels)
    table = dataset.splits["test"]
    hashes = row_hashes(table, problem)
    for called, training, most in trained:
        places = {row["hash"]: place_of(row) for row in training.drop_duplicates("hash").to_dict("records")}
        leaked = [index for index, key in enumerate(hashes) if key in places]
        if len(leaked) > most * len(hashes):
            first = table.take(leaked[:LISTED]).to_pylist()
            lines = [f"shift set '{name}': {len(leaked)} of {len(hashes)} rows were trained on (expected ≤ {most:g})"]
            lines += [
                f"{place_of(row)}: equals {called} {places[hashes[index]]}"
                for index, row in zip(leaked, first, strict=False)
            ]
            lines += [f"... and {len(leaked) - LISTED} more"] if len(leaked) > LISTED else []
            found.problems.append("\n      ".join(lines))
    found.sets[name] = {
        "asked": shift.model_dump(mode="json"),
        "rows": table.num_rows,
        "dataset": dataset.fingerprint,
        "files": path_digest(Path(shift.path)),
    }


def write_shifts(found: ShiftChecks, folder: Path) -> None:
    """Write shifts.json: what was asked, rows, fingerprint and digest of the files of each set."""
    (folder / "shifts.json").write_text(json.dumps(found.sets, indent=2, sort_keys=True) + "\n")
