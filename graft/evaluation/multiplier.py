"""The label multiplier: how many labels from scratch one label with transfer is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression

Array = npt.NDArray[np.float64]
KEYS = (
    "label_multiplier", "label_multiplier_low", "label_multiplier_high", "label_multiplier_bound", "labels_transfer",
    "labels_scratch",
)  # fmt: skip


@dataclass(frozen=True)
class Multiplier:
    """`scratch` labels without transfer do what `transfer` labels do with it; `value` is their ratio.

    An end of the interval is None where the counts that were measured do not bound it.
    """

    value: float
    low: float | None
    high: float | None
    bound: Literal["at least", "at most"] | None
    """Whether the better arm is already as good at the least count, so that the ratio is a bound and not a value."""
    transfer: float
    scratch: float

    def metrics(self) -> dict[str, Any]:
        """Return the flat keys of metrics.json."""
        values = (self.value, self.low, self.high, self.bound, self.transfer, self.scratch)
        return dict(zip(KEYS, values, strict=True))


class _Match(NamedTuple):
    """The labels that either arm needs for the best score of the weaker one, and who needs no more than the least."""

    transfer: float
    scratch: float
    transfer_at_once: bool
    scratch_at_once: bool


def find_multiplier(
    counts: Sequence[int], means: Mapping[str, Array], draws: Mapping[str, Array], confidence: float
) -> Multiplier | str:
    """Return the multiplier with its interval, or in words why there is none.

    `means` are each arm's scores (counts,), `draws` the bootstrap's (resamples, counts). Both arms are asked for the
    same score, the best that the weaker one reaches with the whole budget, so that nothing is read off beyond what was
    measured. Between counts the curves go straight over the logarithm of the labels, after isotonic regression:
    more labels are taken to do no harm. Where the weaker arm does not surely get better with labels there is nothing
    to be matched.
    """
    weaker = "scratch" if means["transfer"][-1] >= means["scratch"][-1] else "transfer"
    tail = (1 - confidence) / 2
    if np.quantile(draws[weaker][:, -1] - draws[weaker][:, 0], tail) <= 0:
        arm = "from scratch" if weaker == "scratch" else "with transfer"
        return f"what is reached {arm} does not surely get better between {counts[0]} and {counts[-1]} labels"
    found = _match(counts, means["transfer"], means["scratch"])
    matches = [_match(counts, *pair) for pair in zip(draws["transfer"], draws["scratch"], strict=True)]
    ratios = np.array([one.scratch / one.transfer for one in matches])
    least = np.where([one.scratch_at_once for one in matches], 0.0, ratios)
    most = np.where([one.transfer_at_once for one in matches], np.inf, ratios)
    low = float(np.quantile(least, tail, method="lower"))
    high = float(np.quantile(most, 1 - tail, method="higher"))
    return Multiplier(
        found.scratch / found.transfer,
        low if low > 0 else None,
        high if np.isfinite(high) else None,
        "at least" if found.transfer_at_once else "at most" if found.scratch_at_once else None,
        found.transfer,
        found.scratch,
    )


def _match(counts: Sequence[int], transfer: Array, scratch: Array) -> _Match:
    curves = [np.asarray(isotonic_regression(scores).x) for scores in (transfer, scratch)]
    level = min(curve[-1] for curve in curves)
    with_transfer, without = (_labels_for(level, counts, curve) for curve in curves)
    return _Match(with_transfer, without, *(bool(curve[0] >= level) for curve in curves))


def _labels_for(level: float, counts: Sequence[int], curve: Array) -> float:
    """Return the least number of labels at which a curve that never falls reaches a level."""
    place = int(np.argmax(curve >= level))
    if place == 0:
        return float(counts[0])
    share = (level - curve[place - 1]) / (curve[place] - curve[place - 1])
    return float(counts[place - 1] * (counts[place] / counts[place - 1]) ** share)
