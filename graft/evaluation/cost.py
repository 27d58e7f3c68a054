"""What the study cost, strategy by strategy, from its trials.csv."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Row = Mapping[str, str]


@dataclass(frozen=True)
class Cost:
    """The price of one strategy in one role, over its trials."""

    role: str
    strategy: str
    trials: int
    steps: int
    seconds: float
    trained_parameters: int
    peak_memory_bytes: int


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file as written, empty cells as empty strings."""
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def number(cell: str | None) -> float | None:
    """Return a cell's number, or None where the cell is empty."""
    return float(cell) if cell else None


def summarise(trials: Sequence[Row]) -> list[Cost]:
    """Return one Cost for each role and strategy in order of appearance; memory and parameters are the largest."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in trials:
        groups.setdefault((row["role"], row["strategy"]), []).append(row)
    return [_cost(role, strategy, rows) for (role, strategy), rows in groups.items()]


def _cost(role: str, strategy: str, rows: Sequence[Row]) -> Cost:
    def column(name: str) -> list[float]:
        return [number(row[name]) or 0.0 for row in rows]

    return Cost(
        role,
        strategy,
        trials=len(rows),
        steps=int(sum(column("steps"))),
        seconds=sum(column("seconds")),
        trained_parameters=int(max(column("trained_parameters"))),
        peak_memory_bytes=int(max(column("peak_memory_bytes"))),
    )
