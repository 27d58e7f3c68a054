"""Divisions of rows: disjoint, stratified by label, whole groups on one side, the same for the same seed."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from graft.errors import DataError

Indices = np.ndarray
TOGETHER = ("group", "identity")
"""Columns whose values are never on both sides of a division; the first that a table has counts."""


def hold_out(table: pa.Table, share: float, seed: int) -> tuple[pa.Table, pa.Table]:
    """Return (kept, held out) rows in their order; stratified by `label`, by whole groups or identities.

    Raises DataError when rows or groups are too few for two sides.
    """
    if table.num_rows < 2:
        raise DataError(f"{table.num_rows} row(s) cannot be divided into training and validation rows")
    labels = strata(table)
    units = together(table)
    held = choose_share(labels, share, seed) if units is None else choose_groups(labels, units, share, seed)
    return table.filter(pa.array(~member(held, table.num_rows))), table.take(pa.array(held))


def sample(table: pa.Table, most: int, seed: int) -> pa.Table:
    """Return at most so many rows in their order; stratified by `label` where there is one, by whole identities."""
    return table.take(pa.array(choose_some(table, most, seed)))


def choose_some(table: pa.Table, most: int, seed: int) -> np.ndarray:
    """Return at most so many rows, sorted: see `choose_sample`, or `choose_whole` where rows have identities."""
    if "identity" in table.column_names:
        return choose_whole(table["identity"].to_pylist(), most, seed)
    return choose_sample(strata(table), most, seed)


def together(table: pa.Table) -> list[str] | None:
    """Return what the rows of each are on one side of any division: the group, else the identity; None for neither."""
    column = next((name for name in TOGETHER if name in table.column_names), None)
    return None if column is None else [str(value) for value in table[column].to_pylist()]


def strata(table: pa.Table) -> np.ndarray:
    """Return what rows are divided evenly by, int64 (rows,): their class, or nothing where the problem has none."""
    if "label" not in table.column_names:
        return np.zeros(table.num_rows, dtype=np.int64)
    return np.asarray(table["label"], dtype=np.int64)


def member(rows: Indices, count: int) -> np.ndarray:
    """Return a mask of `count` rows that is true for `rows`."""
    mask = np.zeros(count, dtype=bool)
    mask[rows] = True
    return mask


def choose_share(labels: np.ndarray, share: float, seed: int) -> Indices:
    """Return about `share` of the rows of every class, sorted: at least one, and never all, where a class has two.

    At least one row is chosen in any case, so that the other side of a division is never empty.
    """
    generator = np.random.default_rng(seed)
    chosen = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        count = min(max(round(share * len(rows)), 1), len(rows) - 1)
        chosen.append(generator.permutation(rows)[:count])
    held = np.sort(np.concatenate(chosen))
    return held if len(held) else generator.permutation(len(labels))[:1]


def draw_order(keys: Sequence[bytes], seed: int) -> np.ndarray:
    """Return a number in [0, 1) for each row, which its content (a key) and the seed decide, and no other row.

    A dataset that grows keeps its division: who was a test row is one still, and nobody is tested on rows that an
    earlier model has learned.
    """
    salt = f"{seed} ".encode()
    words = [hashlib.blake2b(salt + key, digest_size=8).digest() for key in keys]
    return np.array([int.from_bytes(word, "big") >> 11 for word in words]) / 2.0**53


def choose_per_class(labels: np.ndarray, count: int, order: np.ndarray) -> Indices:
    """Return the first `count` rows of every class in an order (see `draw_order`), sorted, or all there are."""
    rows = (np.flatnonzero(labels == label) for label in np.unique(labels))
    return np.sort(np.concatenate([mine[np.argsort(order[mine], kind="stable")][:count] for mine in rows]))


def choose_below(labels: np.ndarray, share: float, order: np.ndarray) -> Indices:
    """Return the rows whose number in an order (see `draw_order`) is below `share`, sorted.

    At least one of a class that has two, and never all of it; at least one in any case.
    """
    chosen = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        rows = rows[np.argsort(order[rows], kind="stable")]
        count = int((order[rows] < share).sum())
        chosen.append(rows[: min(max(count, 1), len(rows) - 1)])
    held = np.sort(np.concatenate(chosen))
    return held if len(held) else np.array([np.argmin(order)])


def choose_sample(labels: np.ndarray, most: int, seed: int) -> Indices:
    """Return at most so many rows, sorted, of which every class has about the share that it has of all.

    Rows are drawn in the order of their place in a shuffled class, as a share of that class.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    places = np.empty(len(labels))
    for label in np.unique(labels):
        rows = order[labels[order] == label]
        places[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
    return np.sort(order[np.argsort(places[order], kind="stable")][:most])


def choose_whole(units: Sequence[str], most: int, seed: int) -> Indices:
    """Return at most so many rows, sorted: whole units in a drawn order, and a part of the last."""
    names, unit_of = np.unique(np.asarray(units), return_inverse=True)
    places = np.random.default_rng(seed).permutation(len(names))
    return np.sort(np.argsort(places[unit_of], kind="stable")[:most])


def choose_budget(units: Sequence[str], most: int, seed: int) -> Indices:
    """Return the rows of as many whole units as at most so many rows hold, sorted.

    The name of a unit and the seed decide its place in the order, and no other row.
    """
    names, unit_of, sizes = np.unique(np.asarray(units), return_inverse=True, return_counts=True)
    order = np.argsort(draw_order([str(name).encode() for name in names], seed), kind="stable")
    chosen = order[np.cumsum(sizes[order]) <= most]
    return np.flatnonzero(np.isin(unit_of, chosen))


def choose_groups(labels: np.ndarray, groups: Sequence[str], share: float, seed: int) -> Indices:
    """Return the rows of whole groups, sorted, that together come near `share` of every class.

    Greedy in random order (large groups first would put only those on one side): a group is chosen when it brings
    the shares nearer. One that holds the last rows of a class never is, so that every class stays on the other
    side. Raises DataError when no group is free.
    """
    names, group_of = np.unique(np.asarray(groups), return_inverse=True)
    classes, class_of = np.unique(labels, return_inverse=True)
    counts = np.zeros((len(names), len(classes)))
    np.add.at(counts, (group_of, class_of), 1)
    total = counts.sum(axis=0)

    def distance(rows: np.ndarray) -> float:
        return float((((rows - share * total) / total) ** 2).sum())

    order = np.random.default_rng(seed).permutation(len(names))
    chosen: list[int] = []
    held = np.zeros(len(classes))
    free = [group for group in order if (counts[group] < total).all()]
    for group in free:
        grown = held + counts[group]
        if (grown < total).all() and distance(grown) < distance(held):
            chosen.append(group)
            held = grown
    if not chosen and free:
        chosen = [min(free, key=lambda group: distance(counts[group]))]
    if not chosen:
        alone = [f"'{names[group]}' ({int(counts[group].sum())} rows)" for group in order[:3]]
        raise DataError(
            f"{len(names)} group(s) cannot be divided so that every class keeps training rows: {', '.join(alone)}",
            advice="Every class needs at least two groups; name another `data.group`, or none.",
        )
    return np.flatnonzero(np.isin(group_of, chosen))
