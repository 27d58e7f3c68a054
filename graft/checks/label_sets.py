"""What is looked at in sets of labels, and what is expected of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graft.checks.rule import Rule

if TYPE_CHECKING:
    import pandas as pd

    from graft.catalog import Checks

BETWEEN = "|"
SET = "label set"
"""The derived column of a row's names."""


def describe_sets(rows: Sequence[Sequence[int]], labels: Sequence[str]) -> dict[str, Sequence[Any]]:
    """Return the names of each row's labels, and how many there are."""
    named = [[label for label, there in zip(labels, row, strict=True) if there] for row in rows]
    return {SET: [BETWEEN.join(names) for names in named], "label_count": [len(names) for names in named]}


def names_of(cell: str) -> list[str]:
    """Return the names of a derived cell."""
    return cell.split(BETWEEN) if cell else []


def find_one_sided(rows: pd.DataFrame, labels: Sequence[str]) -> tuple[int, dict[int, str]]:
    """Return how many labels no training row has, or every one, and the other rows that are otherwise."""
    train = [set(names_of(cell)) for cell in rows[rows["split"] == "train"][SET]]
    never = {label for label in labels if not any(label in names for names in train)}
    always = {label for label in labels if all(label in names for names in train)}
    reasons = {}
    for index, cell in rows[rows["split"] != "train"][SET].items():
        names = set(names_of(cell))
        told = [f"'{one}' is on no training row" for one in sorted(never & names)]
        told += [f"'{one}' is on every training row" for one in sorted(always - names)]
        if told:
            reasons[int(str(index))] = "; ".join(told)
    return len(never | always), reasons


def count_labels(part: pd.DataFrame, labels: Sequence[str]) -> dict[str, int]:
    """Return how many rows have each label, and how many have none."""
    sets = [names_of(cell) for cell in part[SET]]
    return {label: sum(label in names for names in sets) for label in labels} | {"(none)": sets.count([])}


def set_rules(checks: Checks) -> list[Rule]:
    """Return what is expected of sets of labels; rows without any are allowed, and counted."""
    title = "Labels that no training row has, or every one: nothing can be learned of them"
    return [Rule("one-sided", title, "facts", "one_sided_labels", "warning", high=0)]
