"""What past studies had: the cheap scores before, and the gain after."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from graft.registry import Registry
    from graft.registry.fold import Version

LEAST = 5  # studies below which nothing is said: the interval of a prediction could not cover 80 % with fewer than four


@dataclass(frozen=True)
class Past:
    """One study that is over: scores at the boundary below the head, and the gain over scratch on test."""

    version: str
    """Registered version, such as `digits@3`."""
    target: str
    source: str
    scores: Mapping[str, float]
    gain: float
    taus: Mapping[str, float] = field(default_factory=dict)
    """Kendall's tau of each score with what the depths of the network reached in that study's validation."""


@dataclass(frozen=True)
class Unknown:
    """Why history does not answer."""

    reason: str

    def __str__(self) -> str:
        return self.reason


def too_few(studies: int) -> Unknown:
    """Return what is said of fewer than five studies."""
    return Unknown(f"not enough studies yet ({studies} of {LEAST})")


def read_history(registry: Registry, metric: str) -> tuple[Past, ...]:
    """Return the studies whose gain is in `metric`, oldest first, one for each pair of target and source.

    A pair that was studied again counts once, as it was last: a retrained model is no independent evidence. Versions
    registered before scores were kept are passed over.
    """
    versions = sorted((one for state in registry.models() for one in state.versions), key=lambda one: one.when)
    latest: dict[tuple[str, str], Past] = {}
    for version in versions:
        if version.metrics.get("metric") == metric and (past := _read(version)) is not None:
            latest.pop((past.target, past.source), None)
            latest[past.target, past.source] = past
    return tuple(latest.values())


def _read(version: Version) -> Past | None:
    metrics = version.metrics
    scores, gain = metrics.get("scores"), metrics.get("gain")
    if not isinstance(scores, Mapping) or not _is_number(gain):
        return None
    known, taus = _numbers(scores), metrics.get("score_taus")
    if not known:
        return None
    target = str(metrics.get("target", version.model))
    found = _numbers(taus) if isinstance(taus, Mapping) else {}
    return Past(version.name, target, str(metrics.get("source")), known, float(gain), found)


def _numbers(values: Mapping[Any, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in values.items() if _is_number(value)}


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
