"""Candidates made worse on purpose before the gate of the registry, and the same models as they were."""

import copy
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from bench.pairs import LABELS, Ready, silent
from bench.results import Frozen
from graft.catalog import Gates
from graft.problems.examples import Examples
from graft.problems.grades import Grades
from graft.reading.splitting import choose_per_class
from graft.registry.comparison import Pairs
from graft.registry.gates import evaluate
from graft.study import Bench
from graft.study.candidates import Candidate
from graft.study.trial import run_final
from graft.training import predict

NOISES = (0.03, 0.06, 0.1, 0.15, 0.2, 0.3)  # standard deviations, of those of each weight tensor
FEWER = (0.75, 0.5)  # shares of the labels
DRAWS, ROWS = 100, 500  # tests of so many rows
LEAST, MOST = 0.0025, 0.08  # worse by less is no matter, by more is no question
PROMISING = {"verdict": "helps", "gain": 1.0}  # whatever else is asked holds: the champion alone decides
Right = npt.NDArray[np.bool_]


class Gated(Frozen):
    """How often the gate let a model through, in so many tests of a known difference."""

    change: str
    damage: float
    """By how much the worse model is worse, exactly: rows are drawn from those that this was measured on."""
    draws: int
    worse_passed: int
    """The worse model as candidate, ours."""
    worse_passed_usual: int
    """The same by the usual rule, a metric at least as good."""
    better_passed: int
    """The better model as candidate, the worse one as champion, ours."""
    better_passed_usual: int


def try_the_gate(found: Ready, bench: Bench, winner: Candidate, model: Any) -> tuple[Gated, ...]:
    """Return what the gate made of a model against itself made worse."""
    rows = _joined(found.test, found.truth)
    good = _right(found, model, rows)
    gated = []
    for number, (change, other) in enumerate(_worsened(found, bench, winner, model)):
        worse = _right(found, other, rows)
        if LEAST <= good.mean() - worse.mean() <= MOST:
            gated.append(confront(change, good, worse, number))
    return tuple(gated)


def confront(change: str, good: Right, worse: Right, seed: int, draws: int = DRAWS, rows: int = ROWS) -> Gated:
    """Return who passes when the two meet on rows drawn with replacement from `good` and `worse` (rows,)."""
    rng = np.random.default_rng(seed)
    passed = np.zeros(4, dtype=int)
    for _ in range(draws):
        chosen = rng.integers(len(good), size=rows)
        a, b = good[chosen], worse[chosen]
        passed += [_ours(b, a), b.mean() >= a.mean(), _ours(a, b), a.mean() >= b.mean()]
    first, second, third, fourth = passed.tolist()
    return Gated(
        change=change, damage=float(good.mean() - worse.mean()), draws=draws, worse_passed=first,
        worse_passed_usual=second, better_passed=third, better_passed_usual=fourth,
    )  # fmt: skip


def _ours(candidate: Right, champion: Right) -> bool:
    pairs = Pairs(Grades.of(candidate), Grades.of(champion), excluded=0, predicted=0)
    return all(gate.passed for gate in evaluate(Gates(), PROMISING, lambda: pairs, resamples=2000, confidence=0.95))


def _worsened(found: Ready, bench: Bench, winner: Candidate, model: Any) -> Iterator[tuple[str, Any]]:
    for number, noise in enumerate(NOISES):
        yield f"noise of {noise:g}", with_noise(model, noise, number)
    labels = bench.examples.labels
    assert labels is not None
    for share in FEWER:
        kept = choose_per_class(labels, round(share * LABELS), np.random.default_rng(0).random(len(labels)))
        with tempfile.TemporaryDirectory() as folder:
            fewer = replace(bench, examples=bench.examples.take(kept), folder=Path(folder))
            steps = sum(leg.steps for leg in winner.legs)
            yield f"{share:.0%} of the labels", run_final(fewer, winner, 0, steps, silent)[0]


def with_noise(model: Any, noise: float, seed: int) -> Any:
    """Return a copy whose weight matrices carry normal noise of that share of their standard deviation."""
    changed, drawn = copy.deepcopy(model), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in changed.parameters():
            if weight.ndim >= 2:
                scale = noise * weight.std().cpu()
                weight += (torch.randn(weight.shape, generator=drawn) * scale).to(weight.device)
    return changed


def _right(found: Ready, model: Any, rows: Examples) -> Right:
    logits = predict(model, found.problem, rows, found.processor)
    return np.asarray(logits.argmax(axis=1) == rows.labels)


def _joined(first: Examples, second: Examples) -> Examples:
    assert first.labels is not None
    assert second.labels is not None
    widths = None if first.widths is None or second.widths is None else np.concatenate([first.widths, second.widths])
    return Examples([*first.features, *second.features], np.concatenate([first.labels, second.labels]), widths)
