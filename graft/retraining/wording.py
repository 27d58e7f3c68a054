"""Estimates and outcomes in words: lines for a log, a page for the dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graft.evaluation.bootstrap import Interval
from graft.evaluation.units import digits, scale, unit
from graft.evaluation.verdict import name_of, signed
from graft.report.wording import duration, money, operations
from graft.retraining.estimate import Estimate
from graft.retraining.state import PARTS

CHOSEN = {
    "train": "it is trained",
    "skip": "it is skipped",
    "ask": "a person is asked",
    "evaluate": "it is evaluated only",
}


def headline(found: Estimate) -> str:
    """Return the choice in one line, and the estimate where there is one: before the first study nothing is known."""
    said = f"{CHOSEN[found.choice]}, for {found.reason}"
    return said if found.last is None else f"{said}. {expected(found)}"


def expected(found: Estimate) -> str:
    """Return what is expected, in a sentence."""
    cost = f"cost {_cost(found.seconds, found.flops, found.money)}" if found.seconds is not None else "cost not known"
    return f"Expected: gain {_gain(found.gain, found.metric)}, {cost}."


def unchanged(since: str) -> str:
    """Return why a target is skipped in which nothing is stale."""
    return f"nothing changed since {since[:16].replace('T', ' ')}: same data digest, code, parameters"


def page(found: Estimate, record: Mapping[str, Any] | None = None) -> str:
    """Return a page of Markdown: the choice, what it rests on, and beside it what then happened."""
    outcome = (record or {}).get("outcome") or {}
    lines = [f"# {found.target}: {CHOSEN[found.choice]}", "", f"{found.reason[:1].upper()}{found.reason[1:]}.", ""]
    if found.last is None:  # a table of unknowns says nothing
        return "\n".join([*lines, "What it brings and costs is what the next estimate rests on.", ""])
    facts = {
        "last study": f"{found.last}, {str(found.last_when)[:16].replace('T', ' ')}",
        "changed since": ", ".join(PARTS[part] for part in found.changed) or "not known",
        "labelled rows": _labels(found),
        "drift": found.drift or "none found since",
        "the gain is from": found.gain_from,
        "least gain asked": _gain_of(found.min_gain, found.metric),
    }
    lines += ["| | |", "|---|---|", *(f"| {name} | {str(value).replace('|', '/')} |" for name, value in facts.items())]
    lines += ["", "| | expected |" + (" happened |" if outcome else ""), "|---|---|" + ("---|" if outcome else "")]
    rows = {
        f"gain of {name_of(found.metric)}": (_gain(found.gain, found.metric), _happened(outcome, found.metric)),
        "time": (duration(found.seconds), duration(outcome.get("seconds"))),
        "operations": (operations(found.flops), operations(outcome.get("flops"))),
        "price": (money(found.money), money(outcome.get("money"))),
    }
    lines += [f"| {name} | {one} |" + (f" {other} |" if outcome else "") for name, (one, other) in rows.items()]
    return "\n".join([*lines, ""])


def compared(found: Estimate, record: Mapping[str, Any]) -> str:
    """Return what happened beside what was expected, in one line."""
    outcome = record["outcome"]
    cost = _cost(outcome["seconds"], outcome["flops"], outcome["money"])
    return f"{expected(found)} Happened: gain {_happened(outcome, found.metric)}, cost {cost}."


def _labels(found: Estimate) -> str:
    if found.labels is None:
        return "not counted"
    return f"{found.labels.then} then, {found.labels.now} now, {found.labels.new} of them new"


def _gain(gain: Interval | None, metric: str) -> str:
    if gain is None:
        return "not known"
    if gain.low == gain.high:  # one retraining has no ends
        return _gain_of(gain.value, metric)
    ends = (signed(scale(metric) * end, digits(metric)) for end in (gain.low, gain.high))
    return f"{_gain_of(gain.value, metric)} ({' to '.join(ends)})"


def _gain_of(value: float, metric: str) -> str:
    return f"{signed(scale(metric) * value, digits(metric))} {unit(metric)}"


def _happened(outcome: Mapping[str, Any], metric: str) -> str:
    gain = outcome.get("gain")
    return "not to be told, there is no version before" if gain is None else _gain_of(gain, metric)


def _cost(seconds: float | None, flops: float | None, price: float | None) -> str:
    told = [duration(seconds)]
    told += [operations(flops)] if flops is not None else []
    told += [money(price)] if price is not None else []
    return ", ".join(told)
