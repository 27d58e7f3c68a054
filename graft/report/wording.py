"""Numbers as people read them; what was not measured is said so."""

from collections.abc import Mapping
from typing import Any

from graft.evaluation.units import AS_IT_IS
from graft.evaluation.verdict import name_of, signed, title_of

UNMEASURED = "not measured"
NARROW_SPACE = "\N{NARROW NO-BREAK SPACE}"
OPERATIONS = ((1e18, "EFLOP"), (1e15, "PFLOP"), (1e12, "TFLOP"), (1e9, "GFLOP"), (1e6, "MFLOP"), (1e3, "kFLOP"))


def score(value: float | None, metric: str = "accuracy") -> str:
    """Return a metric's value: a share in percent, what is none as it is."""
    if value is None:
        return UNMEASURED
    if metric in AS_IT_IS:
        return f"{value:.3f}" if value < 100 else f"{value:,.0f}".replace(",", NARROW_SPACE)
    return f"{100 * value:.1f}{NARROW_SPACE}%"


def change(value: float | None, metric: str = "accuracy") -> str:
    """Return a difference of a metric with its sign: points of a share, what is none as it is."""
    if value is None:
        return UNMEASURED
    return signed(value, 3) if metric in AS_IT_IS else f"{signed(100 * value)} points"


def spread(value: float | None, metric: str = "accuracy") -> str:
    """Return the standard error of a metric, in points of a share or as it is, without the unit."""
    if value is None:
        return UNMEASURED
    return f"{value:.3f}" if metric in AS_IT_IS else f"{100 * value:.1f}"


def one(metric: str) -> str:
    """Return what one of a metric's unit is called."""
    return (AS_IT_IS.get(metric, "points") or name_of(metric)).removesuffix("s")


def share(value: float | None) -> str:
    """Return a small share such as a calibration error with three digits."""
    return UNMEASURED if value is None else f"{value:.3f}"


def count(value: float | None) -> str:
    """Return a whole number with its thousands apart."""
    return UNMEASURED if value is None else f"{round(value):,}".replace(",", NARROW_SPACE)


def short_count(value: float) -> str:
    """Return a whole number in three digits: 950, 14.7k, 110M."""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.0f}"


def duration(seconds: float | None) -> str:
    """Return seconds in the unit that suits them."""
    if seconds is None:
        return UNMEASURED
    if seconds < 120:
        return f"{seconds:.1f}{NARROW_SPACE}s" if seconds < 10 else f"{seconds:.0f}{NARROW_SPACE}s"
    minutes = seconds / 60
    return f"{minutes:.0f}{NARROW_SPACE}min" if minutes < 120 else f"{minutes / 60:.1f}{NARROW_SPACE}h"


def size(value: float | None) -> str:
    """Return bytes as megabytes or gigabytes."""
    if not value:
        return UNMEASURED
    return f"{value / 1e9:.1f}{NARROW_SPACE}GB" if value >= 1e9 else f"{value / 1e6:.0f}{NARROW_SPACE}MB"


def operations(value: float | None) -> str:
    """Return FLOPs in three digits: 389 MFLOP, 1.27 TFLOP."""
    if value is None:
        return UNMEASURED
    size, unit = next(((size, unit) for size, unit in OPERATIONS if value >= size), (1.0, "FLOP"))
    digits = value / size
    shown = f"{digits:.0f}" if digits >= 100 else f"{digits:.3g}"
    return f"{shown}{NARROW_SPACE}{unit}"


def why(candidate: Mapping[str, Any]) -> str:
    """Return why a candidate was taken or not; the control's learning rates are compared among themselves alone."""
    return f"the control: {candidate['reason']}" if candidate["strategy"] == "scratch" else str(candidate["reason"])


def money(value: float | None) -> str:
    """Return an amount in the currency of the price; small ones keep two digits."""
    if value is None:
        return UNMEASURED
    return f"{value:,.2f}".replace(",", NARROW_SPACE) if value >= 1 else f"{value:.2g}"


FILTERS = {
    "name_of": name_of,
    "title_of": title_of,
    "score": score,
    "change": change,
    "spread": spread,
    "one": one,
    "share": share,
    "count": count,
    "short_count": short_count,
    "duration": duration,
    "size": size,
    "operations": operations,
    "money": money,
    "why": why,
}
