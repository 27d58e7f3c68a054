"""What a model wrote before it was adapted, and after: the same prompts, drawn with the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.problems.sampling import Sampling, choose_openings

if TYPE_CHECKING:
    from graft.problems import Problem

SHOWN = 4  # prompts


@dataclass(frozen=True)
class Sample:
    """A test text's beginning, how it really goes on, and how both models go on."""

    prompt: str
    real: str
    before: str
    """By the source."""
    after: str
    """By the packaged model."""


def write_samples(
    problem: Problem, source: Path, winner: Any, processor: Any, texts: Sequence[str], seed: int
) -> list[Sample]:
    """Return what source and winner write after the first words of some texts; nothing where the problem writes none.

    A source of another problem writes with the head that its targets begin with.
    """
    if not problem.writes or not (openings := [*choose_openings(texts, SHOWN, seed)]):
        return []
    from graft.backbones import load

    prompts, real = zip(*openings, strict=True)
    before = load(source, problem, labels=()).to(next(winner.parameters()).device)
    written = [problem.write(model, processor, prompts, Sampling(seed=seed)) for model in (before, winner)]
    return [
        Sample(prompt, truth, one.text, other.text)
        for prompt, truth, one, other in zip(prompts, real, *written, strict=True)
    ]
