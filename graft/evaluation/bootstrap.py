"""Paired bootstrap over examples and seeds: how sure a difference between two models is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from graft.problems.grades import Grades, Sums, ratio

Scores = npt.NDArray[np.float64]
CELLS = 4_000_000  # counts held at once (32 MB), whatever the number of examples and resamples


@dataclass(frozen=True)
class Interval:
    """A value between the ends of its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Two models on the same examples: each one's mean score, and `gain`, ours minus theirs."""

    ours: Interval
    theirs: Interval
    gain: Interval


def compare(
    ours: Grades | npt.ArrayLike,
    theirs: Grades | npt.ArrayLike,
    *,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    higher_is_better: bool = True,
) -> Comparison:
    """Compare two models by their grades, or per-example scores (seeds, examples); raises ValueError on others or NaN.

    Examples are drawn with replacement, the same draw for both models (the pairing of Koehn 2004,
    "Statistical significance tests for machine translation evaluation"); in each draw the training seeds
    of either model are drawn too, each model's own, because seed 1 of one shares nothing with seed 1 of
    the other. A metric that is a ratio is that of the drawn examples' sums. Intervals are percentiles (Efron &
    Tibshirani 1993, chapter 13). With few seeds they are a little narrow: s seeds show (s - 1) / s of the variance
    between seeds. The gain is ours minus theirs, or where lower is better theirs minus ours.
    """
    first, second = _grades(ours, "ours"), _grades(theirs, "theirs")
    if first.rows != second.rows:
        raise ValueError(f"the same examples are needed on both sides, found {first.rows} and {second.rows}")
    rng = np.random.default_rng(seed)
    one, other = _resampled([first, second], resamples, rng)
    draws_first, draws_second = _over_seeds(one, rng), _over_seeds(other, rng)
    sign = 1 if higher_is_better else -1
    return Comparison(
        _interval(first.mean, draws_first, confidence),
        _interval(second.mean, draws_second, confidence),
        _interval(sign * (first.mean - second.mean), sign * (draws_first - draws_second), confidence),
    )


def estimate(scores: Grades | npt.ArrayLike, **draws: Any) -> Interval:
    """Return the metric of grades, or of scores (seeds, examples), with its interval, drawn as `compare` draws."""
    return compare(scores, scores, **draws).ours


def widen(gain: Interval, examples: int, confidence: float) -> Interval:
    """Return the interval of a gain of shares, wider where the draws saw no example on which the models differ so.

    Draws of examples that are all alike are alike, and their interval has no width however few they are. With none of n
    seen, up to 1 - (alpha / 2)^(1 / n) of all may be otherwise (Clopper & Pearson 1934; near 3.7 / n at 95 %).
    """
    if gain.low < gain.high:
        return gain
    reach = 1 - ((1 - confidence) / 2) ** (1 / examples)
    return Interval(gain.value, max(gain.low - reach, -1.0), min(gain.high + reach, 1.0))


def draw_means(series: Sequence[Sequence[Grades]], *, resamples: int = 2000, seed: int = 0) -> list[Scores]:
    """Return, for each series of grades over conditions, the metric in every draw (resamples, conditions).

    A draw of examples is the same for all series and conditions; seeds are drawn for each condition apart. What the
    drawn seeds lie off the mean of all is stretched by sqrt(s / (s - 1)), because s seeds show (s - 1) / s of the
    variance between seeds: a curve is read off several such means at once, and there it would tell. Raises ValueError
    on NaN.
    """
    rng = np.random.default_rng(seed)
    flat = _resampled([_grades(one, "scores") for conditions in series for one in conditions], resamples, rng)
    found, start = [], 0
    for conditions in series:
        mine = np.stack(flat[start : start + len(conditions)], axis=1)
        found.append(_over_conditions(mine, max(one.most for one in conditions), rng))
        start += len(conditions)
    return found


def _over_conditions(means: Scores, most: float, rng: np.random.Generator) -> Scores:
    """Return for each resample and condition the mean over one draw of seeds (the last axis), from 0 to `most`."""
    seeds = means.shape[2]
    drawn = np.take_along_axis(means, rng.integers(seeds, size=means.shape), axis=2).mean(axis=2)
    middle = means.mean(axis=2)
    stretch = np.sqrt(seeds / (seeds - 1)) if seeds > 1 else 1.0
    return np.asarray(np.clip(middle + stretch * (drawn - middle), 0.0, most))


def make_interval(value: float, draws: npt.ArrayLike, confidence: float) -> Interval:
    """Return a value between the percentiles of its draws."""
    return _interval(value, np.asarray(draws, dtype=np.float64), confidence)


def _grades(values: Grades | npt.ArrayLike, side: str) -> Grades:
    if not isinstance(values, Grades):
        scores = np.asarray(values, dtype=np.float64)
        if scores.ndim != 2 or scores.size == 0:
            raise ValueError(f"{side}: expected scores of shape (seeds, examples), found {scores.shape}")
        values = Grades.of(scores)
    if values.unknown:
        raise ValueError(f"{side}: {values.unknown} scores are NaN or infinite")
    return values


def _resampled(graded: Sequence[Grades], resamples: int, rng: np.random.Generator) -> list[Scores]:
    """Return the metric of each one's models in every draw of examples, the same for all: (resamples, models)."""
    sums = [one for one in graded if isinstance(one, Sums)]
    return _resampled_sums(sums, resamples, rng) if len(sums) == len(graded) else _redrawn(graded, resamples, rng)


def _redrawn(graded: Sequence[Grades], resamples: int, rng: np.random.Generator) -> list[Scores]:
    """Return the same of metrics that have to be computed anew in every draw."""
    rows = graded[0].rows
    units = np.arange(rows) if graded[0].units is None else np.unique(graded[0].units, return_inverse=True)[1]
    count = int(units.max()) + 1  # rows of one thing, such as images of one person, come and go together
    block = max(1, CELLS // rows)
    blocks = [min(block, resamples - start) for start in range(0, resamples, block)]
    drawn = [rng.multinomial(count, np.full(count, 1 / count), size=size).astype(np.float64) for size in blocks]
    drawn = [counts[:, units] for counts in drawn]
    known: dict[int, Scores] = {}  # one that is compared with itself is drawn once
    for one in graded:
        if id(one) not in known:
            known[id(one)] = np.concatenate([one.drawn(counts) for counts in drawn])
    return [known[id(one)] for one in graded]


def _resampled_sums(graded: Sequence[Sums], resamples: int, rng: np.random.Generator) -> list[Scores]:
    earned = np.vstack([_flat(one.earned) for one in graded])
    possible = np.vstack([_flat(one.possible) for one in graded])
    plain = bool((possible == 1).all())  # every example counts the same: sums of the possible are known
    sums = np.concatenate(list(_drawn_means(earned if plain else np.vstack([earned, possible]), resamples, rng)))
    got, most = (sums, np.ones_like(sums)) if plain else np.split(sums, 2, axis=1)
    found, start = [], 0
    for one in graded:
        models, _, parts = one.earned.shape
        mine = (array[:, start : start + models * parts].reshape(-1, models, parts) for array in (got, most))
        found.append(ratio(*mine))
        start += models * parts
    return found


def _flat(array: Scores) -> Scores:
    """Return (models x parts, examples)."""
    return array.transpose(0, 2, 1).reshape(-1, array.shape[1])


def _drawn_means(scores: Scores, resamples: int, rng: np.random.Generator) -> Iterator[Scores]:
    """Yield blocks of (resamples, rows of `scores`): each row's mean over one draw of examples.

    Examples with equal columns are interchangeable, so a draw is a multinomial over the distinct columns:
    right-or-wrong scores of six models have 64 of them at most, however many examples there are.
    """
    columns, counts = np.unique(scores, axis=1, return_counts=True)
    examples = scores.shape[1]
    block = max(1, CELLS // columns.shape[1])
    for start in range(0, resamples, block):
        drawn = rng.multinomial(examples, counts / examples, size=min(block, resamples - start))
        yield drawn @ columns.T / examples


def _over_seeds(means: Scores, rng: np.random.Generator) -> Scores:
    """Return for each resample (row) the mean over one draw of seeds (columns)."""
    resamples, seeds = means.shape
    drawn = rng.integers(seeds, size=(resamples, seeds))
    return np.asarray(np.take_along_axis(means, drawn, axis=1).mean(axis=1))


def _interval(value: float, draws: Scores, confidence: float) -> Interval:
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return Interval(value, float(low), float(high))
