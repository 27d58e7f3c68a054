"""What a candidate must show to become champion. A gate that cannot be evaluated is a gate that failed."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from graft.catalog import Gates
from graft.errors import BadInput
from graft.registry.comparison import Pairs
from graft.registry.events import GateResult

Challenge = Callable[[], Pairs]
"""Compares the candidate with the champion; raises BadInput with the reason where that is impossible."""


def evaluate(
    gates: Gates, metrics: Mapping[str, Any], challenge: Challenge | None, resamples: int, confidence: float
) -> tuple[GateResult, ...]:
    """Return the result of every gate that is asked; `challenge` is None when there is no champion yet."""
    found = [_verdict(gates, metrics), _min_gain(gates, metrics)]
    if gates.max_forgetting is not None:
        found.append(
            _at_most("max_forgetting", metrics, "forgetting", gates.max_forgetting, "forgetting of the source")
        )
    if gates.max_ece is not None:
        found.append(_at_most("max_ece", metrics, "ece_calibrated", gates.max_ece, "calibrated ECE"))
    if gates.min_sensitivity is not None:
        found.append(_min_sensitivity(gates.min_sensitivity, metrics))
    found.append(_champion(gates, challenge, resamples, confidence))
    return tuple(found)


def _verdict(gates: Gates, metrics: Mapping[str, Any]) -> GateResult:
    found = metrics.get("verdict")
    passed = found in gates.verdicts
    required = " or ".join(gates.verdicts) or "no verdict is allowed"
    return GateResult(
        gate="verdict",
        passed=passed,
        found=str(found) if found is not None else "nothing",
        required=required,
        reason=f"the verdict is {found}" + ("" if passed else f", asked for is {required}"),
    )


def _min_gain(gates: Gates, metrics: Mapping[str, Any]) -> GateResult:
    required, gain = f"at least {gates.min_gain:+.4f}", _number(metrics, "gain")
    if gain is None:
        return _unmeasured("min_gain", required, "gain")
    passed = gain >= gates.min_gain
    return GateResult(
        gate="min_gain",
        passed=passed,
        found=f"{gain:+.4f}",
        required=required,
        reason=f"the gain over the scratch control is {gain:+.4f}, asked for is {required}",
        numbers={"gain": gain, "least": gates.min_gain},
    )


def _at_most(gate: str, metrics: Mapping[str, Any], key: str, most: float, words: str) -> GateResult:
    required, value = f"at most {most:.4f}", _number(metrics, key)
    if value is None:
        return _unmeasured(gate, required, key)
    return GateResult(
        gate=gate,
        passed=value <= most,
        found=f"{value:.4f}",
        required=required,
        reason=f"the {words} is {value:.4f}, asked for is {required}",
        numbers={key: value, "most": most},
    )


def _min_sensitivity(least: float, metrics: Mapping[str, Any]) -> GateResult:
    required, value = f"at least {least:.4f}", _number(metrics, "sensitivity")
    if value is None:
        return _unmeasured("min_sensitivity", required, "sensitivity")
    return GateResult(
        gate="min_sensitivity",
        passed=value >= least,
        found=f"{value:.4f}",
        required=required,
        reason=f"the sensitivity at the threshold is {value:.4f}, asked for is {required}",
        numbers={"sensitivity": value, "least": least},
    )


def _champion(gates: Gates, challenge: Challenge | None, resamples: int, confidence: float) -> GateResult:
    margin = gates.non_inferiority_margin
    required = f"better on average, and not worse by {margin:.4f} or more with {confidence:.0%} confidence"
    if challenge is None:
        reason = "no champion yet, so there is none to beat"
        return GateResult(gate="champion", passed=True, found="no champion yet", required=required, reason=reason)
    try:
        pairs = challenge()
    except BadInput as error:
        return _failed("champion", required, "cannot be compared with the champion: " + " ".join(str(error).split()))
    return _compare(pairs, margin, required, resamples, confidence)


def _compare(pairs: Pairs, margin: float, required: str, resamples: int, confidence: float) -> GateResult:
    """Non-inferiority by the paired interval (Wellek 2010, section 1.2), and a mean above zero: a tie is no reason."""
    from graft.evaluation.bootstrap import compare

    result = compare(
        pairs.candidate, pairs.champion,
        resamples=resamples, confidence=confidence, higher_is_better=pairs.higher_is_better,
    )  # fmt: skip
    gain, rows = result.gain, pairs.candidate.rows
    better, sure = gain.value > 0, gain.low > -margin
    found = f"{gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})"
    outcome = (
        "better" if better and sure else "a tie" if gain.value == 0 else "worse" if not better else "not sure enough"
    )
    left_out = f", {pairs.excluded} left out as training rows" if pairs.excluded else ""
    anew = f", {pairs.predicted} predicted anew by the champion" if pairs.predicted else ""
    return GateResult(
        gate="champion",
        passed=better and sure,
        found=found,
        required=required,
        reason=f"against the champion on {rows} test rows{left_out}{anew}: {found}, {outcome}",
        numbers={
            "difference": gain.value,
            "low": gain.low,
            "high": gain.high,
            "candidate": result.ours.value,
            "champion": result.theirs.value,
            "margin": margin,
            "rows": rows,
            "excluded": pairs.excluded,
            "predicted": pairs.predicted,
        },
    )


def _number(metrics: Mapping[str, Any], key: str) -> float | None:
    value = metrics.get(key)
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if usable and value is not None else None


def _unmeasured(gate: str, required: str, key: str) -> GateResult:
    return _failed(gate, required, f"'{key}' was not measured, and what was not measured is not promoted")


def _failed(gate: str, required: str, reason: str) -> GateResult:
    return GateResult(gate=gate, passed=False, found="nothing", required=required, reason=reason)
