"""Power laws through learning curves: what more labels should give, from the labels that there are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
FEWEST = 4  # points, one more than the law has constants: through three of them it goes exactly, whatever they are
EXPONENTS = np.geomspace(0.05, 2.0, 200)  # Hestness et al. find 0.07 to 0.35 over large data; few labels can be steeper


class PowerLaw(NamedTuple):
    """error(labels) = floor + scale * labels ** -exponent, for each of many curves (curves,)."""

    floor: Array
    scale: Array
    exponent: Array

    def error(self, labels: float) -> Array:
        """Return the error of every curve at a number of labels."""
        return np.asarray(self.floor + self.scale * labels**-self.exponent)


def fit_power_law(labels: npt.ArrayLike, errors: npt.ArrayLike) -> PowerLaw:
    """Fit a law to every row of errors (curves, counts) at labels (counts,), by weighted least squares.

    The form is that of Hestness et al. 2017 (Deep Learning Scaling is Predictable, Empirically, section 2) with the
    floor of their equation 1; Viering and Loog 2022, section 4.1, find it among the best of the parametric ones. Floor
    and scale are not negative, so that a fitted error never rises and never falls below zero. For a given exponent
    they have a closed form, so only the exponent is searched (variable projection, Golub and Pereyra 1973). A count
    weighs as its labels: what the draw of the labels does to an error fades with their number, and the law is wanted at
    the far end. Variances estimated from a few seeds weigh worse: simulated, their intervals covered less. Raises
    ValueError for fewer than four counts.
    """
    sizes, given = np.asarray(labels, dtype=np.float64), np.atleast_2d(np.asarray(errors, dtype=np.float64))
    if len(sizes) < FEWEST:
        raise ValueError(f"a power law has three constants and needs {FEWEST} counts, found {len(sizes)}")
    weight = sizes / sizes.sum()
    best = np.full(len(given), np.inf)
    kept = np.zeros((3, len(given)))
    for exponent in EXPONENTS:
        powers = sizes**-exponent
        floor, scale = _line(powers, given, weight)
        lost = ((floor[:, None] + scale[:, None] * powers - given) ** 2 * weight).sum(axis=1)
        better = lost < best
        best[better] = lost[better]
        kept[:, better] = floor[better], scale[better], np.full(int(better.sum()), exponent)
    return PowerLaw(*kept)


def _line(x: Array, y: Array, weight: Array) -> tuple[Array, Array]:
    """Return intercept and slope, neither below zero, of the best line through every row of y (curves, counts)."""
    mean_x, mean_y = float((x * weight).sum()), (y * weight).sum(axis=1)
    spread = float((weight * (x - mean_x) ** 2).sum())
    slope = ((y - mean_y[:, None]) * (x - mean_x) * weight).sum(axis=1) / spread
    intercept = mean_y - slope * mean_x
    through_zero = np.maximum((y * x * weight).sum(axis=1) / float((x**2 * weight).sum()), 0.0)
    slope = np.where(intercept < 0, through_zero, slope)
    intercept = np.where(intercept < 0, 0.0, intercept)
    flat = slope < 0
    return np.where(flat, mean_y, intercept), np.where(flat, 0.0, slope)
