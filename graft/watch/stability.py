"""How far a distribution has moved: the population stability index, the Jensen-Shannon divergence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
BINS, ROWS_PER_BIN = 10, 20  # ten bins where the rows suffice: with few in a bin the index is mostly noise
CHANCE = 0.99


@dataclass(frozen=True)
class Shift:
    """One distribution then and now."""

    name: str
    psi: float
    chance: float
    """What as few rows of one and the same distribution stay below, 99 times of 100."""
    js: float
    """Jensen-Shannon divergence in bits, 0 to 1."""
    then: str
    """The distribution in words."""
    now: str

    def is_drift(self, most: float) -> bool:
        """Say whether it moved by more than `most`, and by more than so few rows do by chance."""
        return self.psi > max(most, self.chance)


def compare_numbers(name: str, then: Sequence[float], now: Sequence[float]) -> Shift:
    """Compare a number of every row, in bins that hold as many rows of then each; NaN is a bin of its own.

    A number with few values is taken as a category.
    """
    old, new = np.asarray(then, dtype=np.float64), np.asarray(now, dtype=np.float64)
    known = old[~np.isnan(old)]
    bins = int(np.clip(min(len(old), len(new)) // ROWS_PER_BIN, 2, BINS))
    said = [f"{np.nanmedian(part):.4g}" if (~np.isnan(part)).any() else "none" for part in (old, new)]
    if len(np.unique(known)) <= bins:
        return _compare(name, *_count(old.tolist(), new.tolist()), *said)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1]))
    places = [np.where(np.isnan(part), len(edges) + 1, np.searchsorted(edges, part, "left")) for part in (old, new)]
    counts = [np.bincount(part, minlength=len(edges) + 2) for part in places]
    kept = (counts[0] + counts[1]) > 0
    return _compare(name, counts[0][kept], counts[1][kept], *said)


def compare_categories(name: str, then: Sequence[Any], now: Sequence[Any]) -> Shift:
    """Compare a category of every row; one that is new counts like any other."""
    said = []
    for part in (then, now):
        values, counts = np.unique([str(one) for one in part], return_counts=True)
        first = np.argsort(-counts, kind="stable")[:3]
        shares = [f"{values[place]}: {100 * counts[place] / len(part):.0f} %" for place in first]
        said.append(", ".join([*shares, "..."] if len(values) > len(first) else shares))
    return _compare(name, *_count([str(one) for one in then], [str(one) for one in now]), *said)


def psi(then: Counts, now: Counts) -> float:
    """Return the population stability index of counts (bins,): sum of (now - then) * ln(now / then) over shares.

    It is the symmetrised Kullback-Leibler divergence in nats (Siddiqi 2006, Credit Risk Scorecards, chapter 11). Half a
    row is added to every bin, so that an empty one is no infinity.
    """
    one, other = _smooth(then), _smooth(now)
    return float(((other - one) * np.log(other / one)).sum())


def chance_of(bins: int, then: int, now: int) -> float:
    """Return what the index of rows from one distribution stays below, 99 times of 100.

    It goes as chi-squared with bins - 1 degrees of freedom, times 1 / then + 1 / now (Yurdakul and Naranjo 2020,
    Statistical Properties of the Population Stability Index).
    """
    from scipy.stats import chi2

    return float(chi2.ppf(CHANCE, max(bins - 1, 1)) * (1 / then + 1 / now))


def js(then: Counts, now: Counts) -> float:
    """Return the Jensen-Shannon divergence of counts (bins,) in bits (Lin 1991)."""
    one, other = _smooth(then), _smooth(now)
    middle = (one + other) / 2
    return float((one * np.log2(one / middle) + other * np.log2(other / middle)).sum() / 2)


def _smooth(counts: Counts) -> npt.NDArray[np.float64]:
    return np.asarray((counts + 0.5) / (counts.sum() + 0.5 * len(counts)), dtype=np.float64)


def _count(then: Sequence[Any], now: Sequence[Any]) -> tuple[Counts, Counts]:
    places = np.unique([*then, *now], return_inverse=True)[1]
    old, new = places[: len(then)], places[len(then) :]
    bins = int(places.max()) + 1
    return np.bincount(old, minlength=bins), np.bincount(new, minlength=bins)


def _compare(name: str, then: Counts, now: Counts, said_then: str, said_now: str) -> Shift:
    chance = chance_of(len(then), int(then.sum()), int(now.sum()))
    return Shift(name, psi(then, now), chance, js(then, now), said_then, said_now)
