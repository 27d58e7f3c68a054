"""One condition, every arm: the metric with its intervals, as rows of robustness.csv and as keys of metrics.json."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NotRequired, TypedDict

from graft.evaluation.bootstrap import Comparison, Interval, compare, estimate
from graft.problems.grades import Grades

Kind = Literal["corruption", "shift", "group"]
Scores = Mapping[str, Grades]
"""What each arm's models earn, row by row."""
COLUMNS = ("arm", "kind", "name", "severity", "rows", "score", "low", "high")


class Draws(TypedDict):
    """How intervals are drawn, as the bootstrap takes it."""

    resamples: int
    confidence: float
    seed: int
    higher_is_better: NotRequired[bool]


@dataclass(frozen=True)
class Point:
    """The headline metric of one arm under one condition, the mean over seeds."""

    arm: str
    kind: Kind
    name: str
    severity: int | None
    """From 0, nothing, to 5; only corruptions have one."""
    rows: int
    score: Interval


def make_points(kind: Kind, name: str, severity: int | None, scores: Scores, draws: Draws) -> list[Point]:
    """Return the point of every arm under one condition."""
    return [Point(arm, kind, name, severity, grades.rows, estimate(grades, **draws)) for arm, grades in scores.items()]


def contrast(prefix: str, scores: Scores | None, draws: Draws) -> dict[str, float | None]:
    """Return flat keys: the metric of every arm and the gain over control and source, each with its interval.

    Without scores every key is None.
    """
    names = (prefix, f"{prefix}_scratch", f"{prefix}_source", f"{prefix}_gain", f"{prefix}_gain_over_source")
    if scores is None:
        return {key: None for name in names for key in (name, f"{name}_low", f"{name}_high")}
    scratch = compare(scores["transfer"], scores["scratch"], **draws)
    source = compare(scores["transfer"], scores["source"], **draws)
    if scores["transfer"] == scores["source"]:
        # the same models: draws of seeds, apart for either side, would show a difference where there is none
        source = Comparison(scratch.ours, scratch.ours, Interval(0.0, 0.0, 0.0))
    intervals = (scratch.ours, scratch.theirs, source.theirs, scratch.gain, source.gain)
    return {
        key: value
        for name, interval in zip(names, intervals, strict=True)
        for key, value in spread(name, interval).items()
    }


def spread(name: str, interval: Interval) -> dict[str, float | None]:
    """Return the flat keys of an interval."""
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def write_points(path: Path, points: Iterable[Point]) -> None:
    """Write robustness.csv."""
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for one in points:
            shares = (f"{value:.6f}" for value in (one.score.value, one.score.low, one.score.high))
            severity = "" if one.severity is None else one.severity
            writer.writerow((one.arm, one.kind, one.name, severity, one.rows, *shares))
