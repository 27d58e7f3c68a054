"""What the study cost: strategy by strategy from its trials.csv, and for each point that was gained."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.evaluation.units import scale

Row = Mapping[str, str]
UNTRIED = ("budget", "left-out")
"""Roles in trials.csv of what was not run: what the budget cut off, and candidates without a trial."""
SHARED = ("recording", *UNTRIED)
"""Roles in trials.csv that are not trials: what all of them share, and what was not run."""


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
    flops: int | None = None
    """None where a trial was made before they were counted."""
    money: float | None = None
    """In the currency of the price; None without one."""


@dataclass(frozen=True)
class Price:
    """What something cost in all, and for each point of gain where there is one."""

    title: str
    seconds: float
    flops: float | None
    money: float | None
    points: float | None
    """Points of gain that it is divided by; None where there is no gain that can be told from none."""

    def per_point(self, total: float | None) -> float | None:
        """Return a total for each point of gain."""
        return None if total is None or self.points is None else total / self.points


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file as written, empty cells as empty strings."""
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def number(cell: str | None) -> float | None:
    """Return a cell's number, or None where the cell is empty."""
    return float(cell) if cell else None


def money_of(seconds: float, price_per_hour: float | None) -> float | None:
    """Return what so many seconds cost at a price per hour, or None without one."""
    return None if price_per_hour is None else seconds / 3600 * price_per_hour


def summarise(trials: Sequence[Row], price_per_hour: float | None = None) -> list[Cost]:
    """Return one Cost for each role and strategy in order of appearance; memory and parameters are the largest."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in trials:
        if row["role"] not in UNTRIED:
            groups.setdefault((row["role"], row["strategy"]), []).append(row)
    return [_cost(role, strategy, rows, price_per_hour) for (role, strategy), rows in groups.items()]


def gained_points(metrics: Mapping[str, Any]) -> float | None:
    """Return the gain in its unit where its interval lies above zero: a price for less would be a price for noise."""
    return scale(str(metrics["metric"])) * metrics["gain"] if metrics["gain"] > 0 and metrics["gain_low"] > 0 else None


def price(metrics: Mapping[str, Any], trials: Sequence[Row]) -> list[Price]:
    """Return what the whole study cost, and what it takes to train the chosen strategy once more, a single seed."""
    points, per_hour = gained_points(metrics), metrics["price_per_hour"]
    prices = [Price("the whole study", metrics["seconds"], metrics["flops"], metrics["money"], points)]
    finals = [row for row in trials if row["role"] == "final-winner"]
    if finals:
        (cost,) = summarise(finals, per_hour)
        share = 1 / cost.trials
        flops = None if cost.flops is None else cost.flops * share
        seconds = cost.seconds * share
        prices.append(Price(f"one model of {cost.strategy}", seconds, flops, money_of(seconds, per_hour), points))
    return prices


def _cost(role: str, strategy: str, rows: Sequence[Row], price_per_hour: float | None) -> Cost:
    def column(name: str) -> list[float]:
        return [number(row[name]) or 0.0 for row in rows]

    seconds = sum(column("seconds"))
    return Cost(
        role,
        strategy,
        trials=0 if role in SHARED else len(rows),
        steps=int(sum(column("steps"))),
        seconds=seconds,
        trained_parameters=int(max(column("trained_parameters"))),
        peak_memory_bytes=int(max(column("peak_memory_bytes"))),
        flops=int(sum(column("flops"))) if all(row.get("flops") for row in rows) else None,
        money=money_of(seconds, price_per_hour),
    )
