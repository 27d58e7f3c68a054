"""Ours and named peers at the same work in one run: they take turns, and each ratio is of two neighbours.

A machine that others use is slower in one minute than in the next. So no time is compared with that of another run,
every repeat gives its own ratio, and every second repeat runs backwards: ours, peer, peer, ours.
"""

import gc
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from bench.machine import describe
from bench.results import Against, Conclusion, Guard, Measured, Result, Scale, Spread

Round = Mapping[str, Any]
"""What each runner returned in one repeat, by its name, ours first."""

SPEED = Scale(words="as fast as the peer", unit="×", higher_is_better=True)


@dataclass(frozen=True)
class Runner:
    """Somebody who does the work: ours, or a peer."""

    name: str
    run: Callable[[], Any]
    """Does all the work once; what it returns goes to the guard."""
    aim: float | None = None
    """What the reading against this peer should reach."""


def ratio_of(ours: float, peer: float) -> float:
    """Return how many times as fast ours is."""
    return peer / ours


def nothing(rounds: Sequence[Round]) -> dict[str, str]:
    """Return no notes."""
    return {}


@dataclass(frozen=True)
class Comparison:
    """The same work on the same input, done by ours and by each peer."""

    title: str
    data: str
    """Which rows, and how many."""
    work: float
    unit: str
    """What `work` counts, as `samples`; rates are printed where it is more than 1."""
    ours: Runner
    peers: tuple[Runner, ...]
    guard: Callable[[Sequence[Round]], Guard]
    scale: Scale = SPEED
    read: Callable[[float, float], float] = ratio_of
    """Reads a pair of times, ours and the peer's in seconds, on the scale."""
    notes: Callable[[Sequence[Round]], dict[str, str]] = nothing
    once: bool = False
    """Whether it is too long to repeat: one round, which counts, after others of its kind were repeated."""


def run(name: str, module: str, repeats: int, quick: bool, load: float, **wanted: Any) -> Result:
    """Run one benchmark and return what it found; `wanted` is what its `conclude` is told of the rows to measure."""
    benchmark = import_module(module)
    measured = []
    for comparison in benchmark.comparisons(quick):
        print(f"{name}: {comparison.title}", file=sys.stderr, flush=True)
        measured.append(measure(comparison, repeats))
    conclude = getattr(benchmark, "conclude", None)
    return Result(
        benchmark=name,
        title=benchmark.TITLE,
        method=benchmark.METHOD,
        date=datetime.now(UTC).date().isoformat(),
        repeats=repeats,
        machine=describe(load),
        comparisons=tuple(measured),
        conclusion=Conclusion() if conclude is None else conclude(measured, quick, **wanted),
    )


def measure(comparison: Comparison, repeats: int) -> Measured:
    """Return ours against each peer over the repeats, with the guard."""
    runners = (comparison.ours, *comparison.peers)
    seconds, rounds = take_turns(runners, 1, warm=True) if comparison.once else take_turns(runners, repeats)
    ours = seconds[comparison.ours.name]
    return Measured(
        title=comparison.title,
        data=comparison.data,
        work=comparison.work,
        unit=comparison.unit,
        ours=comparison.ours.name,
        seconds=tuple(ours),
        scale=comparison.scale,
        against=tuple(_against(comparison, ours, peer, seconds[peer.name]) for peer in comparison.peers),
        guard=comparison.guard(rounds),
        notes=comparison.notes(rounds),
        once=comparison.once,
    )


def take_turns(
    runners: Sequence[Runner], repeats: int, warm: bool = False
) -> tuple[dict[str, list[float]], list[Round]]:
    """Return each runner's seconds, and what all returned, of `repeats` rounds after one that does not count.

    Runners that are `warm` from another comparison have no such round.
    """
    seconds: dict[str, list[float]] = {runner.name: [] for runner in runners}
    rounds: list[Round] = []
    for number in range(int(warm), repeats + 1):
        found = {}
        for runner in runners if number % 2 else reversed(runners):
            taken, found[runner.name] = _timed(runner.run)
            seconds[runner.name].append(taken)
        rounds.append({runner.name: found[runner.name] for runner in runners})
    return {name: taken[-repeats:] for name, taken in seconds.items()}, rounds[-repeats:]


def _timed(run: Callable[[], Any]) -> tuple[float, Any]:
    gc.collect()  # what another left behind is not this one's time
    started = time.perf_counter()
    output = run()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.synchronize()  # a GPU works on after the call has returned
    return time.perf_counter() - started, output


def _against(comparison: Comparison, ours: Sequence[float], peer: Runner, seconds: Sequence[float]) -> Against:
    pairs = list(zip(ours, seconds, strict=True))
    reading = Spread.of([comparison.read(*pair) for pair in pairs])
    reached = None if peer.aim is None else comparison.scale.reaches(reading.median, peer.aim)
    ratio = Spread.of([ratio_of(*pair) for pair in pairs])
    return Against(peer=peer.name, seconds=tuple(seconds), ratio=ratio, reading=reading, aim=peer.aim, reached=reached)
