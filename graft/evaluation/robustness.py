"""Robustness: what is left of each arm's metric on corrupted rows, on shift sets and in the worst group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from graft.corruptions import FAMILIES, SEVERITIES, Inputs, corrupt, open_inputs
from graft.evaluation.arms import ARMS, Arm, Models, predict_arms
from graft.evaluation.points import Draws, Point, contrast, make_points, spread
from graft.problems.grades import Grades
from graft.reading.splitting import choose_some, strata

if TYPE_CHECKING:
    import pyarrow as pa

    from graft.problems import Problem
    from graft.problems.examples import Examples

FEWEST = 10  # test rows of a group below which its accuracy says nothing
Report = Callable[[str], None]


@dataclass
class Robustness:
    """What was measured: one point for each arm and condition, and the flat keys of metrics.json."""

    points: list[Point] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)

    def add(self, other: Robustness) -> None:
        """Take in what else was measured."""
        self.points += other.points
        self.metrics |= other.metrics


@dataclass(frozen=True)
class Probes:
    """What every measurement needs: models, how inputs reach them, how intervals are drawn."""

    models: Models
    problem: Problem
    processor: Any
    draws: Draws


def unmeasured(draws: Draws) -> Robustness:
    """Return what is said of corruptions where none were measured."""
    keys = ("robustness_rows", "robustness_clean", "robustness_clean_scratch", "robustness_clean_source")
    return Robustness(metrics=contrast("robustness", None, draws) | dict.fromkeys(keys))


def count_sets(problem: Problem, rows: int, shifts: int) -> int:
    """Return how many corrupted and shifted sets will be predicted: the unit of progress."""
    return shifts + (len(problem.corruptions) * len(SEVERITIES) if rows else 0)


def measure_corruptions(
    probes: Probes, clean: Mapping[str, Arm], table: pa.Table, rows: int, report: Report
) -> Robustness:
    """Return the metric of every arm by corruption and severity, on the same rows, `rows` of the test set at most.

    `robustness` is the mean over corruptions and severities of each row's score, so that its interval is drawn over
    rows and seeds as that of the gain is. Severity 0 is the rows as they are, from `clean`, the arms on test.
    """
    seed = probes.draws["seed"]
    whole = "identity" in table.column_names  # rows without the others of their identity say little
    chosen = choose_some(table, rows, seed) if whole else choose_rows(strata(table), rows, seed)
    intact = {arm: clean[arm].grades.take(chosen) for arm in ARMS}
    found = Robustness(make_points("corruption", "none", 0, intact, probes.draws))
    total: dict[str, Grades] = {}
    inputs = _open(probes, table.take(chosen))
    names = list(probes.problem.corruptions)
    for name in names:
        for severity in SEVERITIES:
            examples = probes.problem.encode(corrupt(inputs, name, severity, probes.draws["seed"]), probes.processor)
            scores = _predict(probes, examples)
            found.points += make_points("corruption", name, severity, scores, probes.draws)
            total = {arm: total[arm] + grades if total else grades for arm, grades in scores.items()}
            report(f"{name}, severity {severity}")
    found.metrics = contrast("robustness", total, probes.draws) | {
        "robustness_rows": len(chosen),
        "robustness_clean": float(intact["transfer"].mean),
        "robustness_clean_scratch": float(intact["scratch"].mean),
        "robustness_clean_source": float(intact["source"].mean),
    }
    return found


def measure_shift(probes: Probes, name: str, table: pa.Table) -> Robustness:
    """Return the metric of every arm on a shift set; None where it has no value there: see `measure_groups`."""
    scores = _predict(probes, probes.problem.encode(table, probes.processor))
    there = scores if scores["transfer"].defined else None
    keys = contrast(f"shift_{name}", there, probes.draws) | {f"shift_{name}_rows": table.num_rows}
    return Robustness(make_points("shift", name, None, there or {}, probes.draws), keys)


def measure_groups(arms: Mapping[str, Arm], groups: Sequence[str] | None, draws: Draws) -> Robustness:
    """Return the metric of every arm in every group of the test rows that is large enough, and in its worst.

    The worst group is that of Sagawa et al. 2020, Distributionally Robust Neural Networks: the worst over
    groups, for each arm its own. The interval is that of this group's accuracy: that it is the least of several
    is not in it. A group in which the metric has no value, as an area under a curve where all rows are of one class, is
    left out. Without groups, or where all are too small, the keys are None.
    """
    found, sign = Robustness(), 1 if draws.get("higher_is_better", True) else -1
    for group, rows in _large(groups).items():
        scores = {arm: arms[arm].grades.take(rows) for arm in ARMS}
        if scores["transfer"].defined:
            found.points += make_points("group", group, None, scores, draws)
    measured = {point.name for point in found.points}
    found.metrics["groups"] = None if groups is None else len(measured)
    for arm in ARMS:
        key = "worst_group" if arm == "transfer" else f"worst_group_{arm}"
        own = [point for point in found.points if point.arm == arm]
        worst = min(own, key=lambda point: (sign * point.score.value, point.name), default=None)
        found.metrics |= spread(key, worst.score) if worst else dict.fromkeys((key, f"{key}_low", f"{key}_high"))
        found.metrics |= {f"{key}_name": worst.name if worst else None, f"{key}_rows": worst.rows if worst else None}
    return found


def choose_rows(labels: npt.NDArray[np.int64], count: int, seed: int) -> npt.NDArray[np.int64]:
    """Return `count` row numbers, sorted, or all where there are no more; every label by about its share.

    Each row gets a place within its label, in random order; those rows are taken whose places come first, as a
    share of their label.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    places = np.empty(len(labels))
    for label in np.unique(labels):
        rows = order[labels[order] == label]
        places[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
    return np.sort(np.argsort(places, kind="stable")[:count])


def _open(probes: Probes, table: pa.Table) -> Inputs:
    """Return the rows' inputs, no finer than the network will see them."""
    family = FAMILIES[probes.problem.modality]
    first = probes.problem.encode(table.slice(0, 1), probes.processor)
    return open_inputs(table, family, family.resolution(first, probes.processor))


def _predict(probes: Probes, examples: Examples) -> dict[str, Grades]:
    arms = predict_arms(probes.models, probes.problem, examples, probes.processor)
    return {name: arm.grades for name, arm in arms.items()}


def _large(groups: Sequence[str] | None) -> dict[str, npt.NDArray[np.int64]]:
    """Return the rows of every group that has enough of them, by name."""
    names = np.asarray(groups if groups is not None else [], dtype=object)
    rows = {str(name): np.flatnonzero(names == name) for name in dict.fromkeys(names)}
    return {name: found for name, found in sorted(rows.items()) if len(found) >= FEWEST}
