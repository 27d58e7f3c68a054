"""Paired bootstrap over examples and seeds: how sure a difference between two models is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
    ours: npt.ArrayLike, theirs: npt.ArrayLike, *, resamples: int = 2000, confidence: float = 0.95, seed: int = 0
) -> Comparison:
    """Compare two models by per-example scores of shape (seeds, examples); raises ValueError on other shapes or NaN.

    Examples are drawn with replacement, the same draw for both models (the pairing of Koehn 2004,
    "Statistical significance tests for machine translation evaluation"); in each draw the training seeds
    of either model are drawn too, each model's own, because seed 1 of one shares nothing with seed 1 of
    the other. Intervals are percentiles (Efron & Tibshirani 1993, chapter 13). With few seeds they are a
    little narrow: s seeds show (s - 1) / s of the variance between seeds.
    """
    first, second = _scores(ours, "ours"), _scores(theirs, "theirs")
    if first.shape[1] != second.shape[1]:
        raise ValueError(f"the same examples are needed on both sides, found {first.shape[1]} and {second.shape[1]}")
    rng = np.random.default_rng(seed)
    means = np.concatenate(list(_resampled_means(np.vstack([first, second]), resamples, rng)))
    draws_first = _over_seeds(means[:, : len(first)], rng)
    draws_second = _over_seeds(means[:, len(first) :], rng)
    return Comparison(
        _interval(float(first.mean()), draws_first, confidence),
        _interval(float(second.mean()), draws_second, confidence),
        _interval(float(first.mean() - second.mean()), draws_first - draws_second, confidence),
    )


def estimate(scores: npt.ArrayLike, *, resamples: int = 2000, confidence: float = 0.95, seed: int = 0) -> Interval:
    """Return the mean of per-example scores (seeds, examples) with its interval, drawn as `compare` draws."""
    return compare(scores, scores, resamples=resamples, confidence=confidence, seed=seed).ours


def draw_means(series: Sequence[npt.ArrayLike], *, resamples: int = 2000, seed: int = 0) -> list[Scores]:
    """Return, for each array of shares (conditions, seeds, examples), its means in every draw (resamples, conditions).

    A draw of examples is the same for all arrays and conditions; seeds are drawn for each condition apart. What the
    drawn seeds lie off the mean of all is stretched by sqrt(s / (s - 1)), because s seeds show (s - 1) / s of the
    variance between seeds: a curve is read off several such means at once, and there it would tell. Raises ValueError
    on NaN.
    """
    arrays = [np.asarray(one, dtype=np.float64) for one in series]
    rng = np.random.default_rng(seed)
    flat = _scores(np.concatenate([one.reshape(-1, one.shape[-1]) for one in arrays]), "scores")
    means = np.concatenate(list(_resampled_means(flat, resamples, rng)))
    ends = np.cumsum([one.shape[0] * one.shape[1] for one in arrays])
    parts = np.split(means, ends[:-1], axis=1)
    return [
        _over_conditions(part.reshape(resamples, *one.shape[:2]), rng) for part, one in zip(parts, arrays, strict=True)
    ]


def _over_conditions(means: Scores, rng: np.random.Generator) -> Scores:
    """Return for each resample and condition the mean over one draw of seeds (the last axis), from 0 to 1."""
    seeds = means.shape[2]
    drawn = np.take_along_axis(means, rng.integers(seeds, size=means.shape), axis=2).mean(axis=2)
    middle = means.mean(axis=2)
    stretch = np.sqrt(seeds / (seeds - 1)) if seeds > 1 else 1.0
    return np.asarray(np.clip(middle + stretch * (drawn - middle), 0.0, 1.0))


def make_interval(value: float, draws: npt.ArrayLike, confidence: float) -> Interval:
    """Return a value between the percentiles of its draws."""
    return _interval(value, np.asarray(draws, dtype=np.float64), confidence)


def _scores(values: npt.ArrayLike, side: str) -> Scores:
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim != 2 or scores.size == 0:
        raise ValueError(f"{side}: expected scores of shape (seeds, examples), found {scores.shape}")
    if not np.isfinite(scores).all():
        raise ValueError(f"{side}: {int((~np.isfinite(scores)).sum())} scores are NaN or infinite")
    return scores


def _resampled_means(scores: Scores, resamples: int, rng: np.random.Generator) -> Iterator[Scores]:
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
