"""A benchmark whose times are given, so that its arithmetic can be asserted."""

import pytest

from bench import harness
from bench.harness import Comparison, Runner
from bench.results import Guard, Machine, Result


@pytest.fixture
def compare(monkeypatch):
    """Return a function that measures given seconds: of the round that does not count first, then of each repeat."""
    monkeypatch.setattr(harness, "_timed", lambda run: run())

    def go(ours, holds=True, aim=None, **peers):
        def replay(seconds):
            left = iter([99.0, *seconds])
            return lambda: (next(left), "output")

        comparison = Comparison(
            title="Adding up",
            data="3 numbers",
            work=60,
            unit="numbers",
            ours=Runner("graft", replay(ours)),
            peers=tuple(Runner(name, replay(seconds), aim) for name, seconds in peers.items()),
            guard=lambda rounds: Guard(name="sums equal", found=f"{len(rounds)} rounds", holds=holds),
        )
        return harness.measure(comparison, len(ours))

    return go


@pytest.fixture
def result(compare):
    """A result with a reading that reaches its aim and one that misses it."""
    machine = Machine(cpu="abacus", cores=2, threads=1, gpu=None, device="cpu, 1 thread", torch="2", python="3", load=5)
    measured = (
        compare([2.0, 1.0, 4.0], aim=3.0, peer=[8.0, 3.0, 12.0]),
        compare([2.0, 1.0, 4.0], aim=5.0, peer=[8.0, 3.0, 12.0], other=[1.0, 1.0, 1.0]),
    )
    return Result(
        benchmark="input", title="Sums", method="By hand.", date="2026-01-02", repeats=3, machine=machine,
        comparisons=measured,
    )  # fmt: skip
