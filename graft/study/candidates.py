"""Candidates: strategies resolved for one network, each at one learning rate."""

from collections.abc import Sequence
from dataclasses import dataclass

from graft.backbones import LayerGroup
from graft.catalog import Study
from graft.strategies import STRATEGIES, Leg, resolve


@dataclass(frozen=True)
class Candidate:
    """What could be trained on the target; its trials differ by seed and fold only."""

    role: str
    """`candidate`, `control` for the same network from random weights, or `source` for the untouched source."""
    strategy: str
    learning_rate: float
    legs: tuple[Leg, ...]
    trained_groups: tuple[str, ...]
    trained_parameters: int

    @property
    def cost(self) -> int:
        """Weights updated over all steps: what decides which of two equally good candidates is the cheaper."""
        return self.trained_parameters * sum(leg.steps for leg in self.legs)


def make_candidates(study: Study, groups: Sequence[LayerGroup]) -> tuple[list[Candidate], list[str]]:
    """Return the candidates with the control's, and a note for each strategy that comes to the same as another here."""
    candidates: list[Candidate] = []
    notes: list[str] = []
    seen: dict[tuple[Leg, ...], str] = {}
    for name in study.strategies:
        legs = resolve(STRATEGIES[name], [group.name for group in groups], study.budget_steps)
        if legs in seen:
            notes.append(f"{name} trains the same layers as {seen[legs]} on this network and was not tried twice")
            continue
        seen[legs] = name
        candidates += [make_candidate("candidate", name, rate, legs, groups) for rate in study.learning_rates]
    legs = resolve(STRATEGIES["scratch"], [group.name for group in groups], study.budget_steps)
    candidates += [make_candidate("control", "scratch", rate, legs, groups) for rate in study.learning_rates]
    return candidates, notes


def make_candidate(
    role: str, strategy: str, rate: float, legs: tuple[Leg, ...], groups: Sequence[LayerGroup]
) -> Candidate:
    """Return a candidate with what it trains counted."""
    trained = [group for group in groups if any(group.name in leg.groups for leg in legs)]
    parameters = sum(group.parameters for group in trained)
    return Candidate(role, strategy, rate, legs, tuple(group.name for group in trained), parameters)
