"""Candidates: strategies resolved for one network, each at one learning rate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from graft.backbones import count_trained, layer_groups, select_groups
from graft.catalog import Study
from graft.errors import CatalogError
from graft.strategies import Begin, Leg, count_parts, find_strategy, resolve
from graft.training import moves_below_head
from graft.training.adapters import count_adapters, reachable


@dataclass(frozen=True)
class Candidate:
    """What could be trained on the target; its trials differ by seed and fold only."""

    role: str
    """`candidate`, `control` for the same network from random weights, or `source` for the untouched source."""
    strategy: str
    learning_rate: float
    legs: tuple[Leg, ...]
    blend: float | None
    trained_groups: tuple[str, ...]
    trained_parameters: int

    @property
    def cost(self) -> int:
        """Weights updated over all steps: what decides which of two equally good candidates is the cheaper."""
        return self.trained_parameters * sum(leg.steps for leg in self.legs)

    @property
    def reads_all(self) -> bool:
        """Whether its head reads every boundary of the network, so that it needs one made for that."""
        return self.legs[0].reads == "all"

    @property
    def begins(self) -> Begin:
        """Whose weights its training begins with."""
        return find_strategy(self.strategy).begins

    @property
    def moves_source(self) -> bool:
        """Whether layers below its head were the source's and no longer are, so that the source can forget."""
        return self.begins == "champion" or (self.begins == "source" and any(map(moves_below_head, self.legs)))


def make_candidates(
    study: Study,
    model: Any,
    proposed: str | None = None,
    widen: Callable[[], Any] | None = None,
    no_champion: str | None = "there is no champion",
) -> tuple[list[Candidate], list[str]]:
    """Return the candidates with the control's, and a note for each strategy that is left out on this network.

    `proposed` is the block for the strategies that ask for one; `widen` gives the same layers under a head that reads
    every boundary, for those that need that, and is None where the problem has no such network. `no_champion` says why
    nothing can begin from the champion, None where it can. Raises CatalogError when every strategy is left out, and
    ValueError where a strategy lacks what it asks for.
    """
    layers = layer_groups(model)
    groups = [group.name for group in layers]
    candidates: list[Candidate] = []
    notes: list[str] = []
    seen: dict[tuple[Begin, tuple[Leg, ...], float | None], str] = {}
    for name in study.strategies:
        if reason := _unfit(name, study, model, groups) or _unreadable(name, widen):
            notes.append(reason)
            continue
        strategy = find_strategy(name)
        if strategy.begins == "champion" and no_champion:
            notes.append(f"{name} was left out: {no_champion}")
            continue
        try:
            legs = resolve(strategy, groups, study.budget_steps, proposed, partial(select_groups, layers))
        except CatalogError as error:
            notes.append(f"{name} was left out: {'; '.join(error.problems) or error.headline}")
            continue
        if idle := _find_idle(name, legs, model):
            notes.append(idle)
            continue
        if (twin := seen.get((strategy.begins, legs, strategy.blend))) is not None:
            notes.append(f"{name} trains the same layers as {twin} on this network and was not tried twice")
            continue
        seen[strategy.begins, legs, strategy.blend] = name
        trained = widen() if legs[0].reads == "all" and widen is not None else model
        candidates += [make_candidate("candidate", name, rate, legs, trained) for rate in study.learning_rates]
    if not candidates:
        raise CatalogError("no strategy of this study can be tried", notes, "Add one under `study.strategies`.")
    legs = resolve(find_strategy("scratch"), groups, study.budget_steps)
    candidates += [make_candidate("control", "scratch", rate, legs, model) for rate in study.learning_rates]
    return candidates, notes


def _unfit(name: str, study: Study, model: Any, groups: Sequence[str]) -> str | None:
    """Return why a strategy cannot be tried on this network with this budget, or None."""
    strategy = find_strategy(name)
    parts = count_parts(strategy, groups)
    if study.budget_steps < parts:
        return f"{name} has {parts} phases on this network, more than the budget of {study.budget_steps} steps"
    if any(phase.rank for phase in strategy.phases) and not reachable(model):
        return f"{name} needs linear layers, and the blocks of this network have none"
    return None


def _unreadable(name: str, widen: Callable[[], Any] | None) -> str | None:
    """Return why a strategy whose head reads every boundary cannot be tried for this problem, or None."""
    if widen is None and find_strategy(name).phases[0].reads == "all":
        return f"{name} gives one set of logits for a whole image or text, which this problem does not ask for"
    return None


def _find_idle(name: str, legs: Sequence[Leg], model: Any) -> str | None:
    """Return why a strategy for some kinds of weights trains nothing but the head on this network, or None."""
    head = layer_groups(model)[-1].name
    part = next((leg for leg in legs if leg.scope != "every" and not leg.rank and leg.groups != (head,)), None)
    if part is None or count_trained(model, part) > count_trained(model, replace(part, groups=(head,))):
        return None
    return f"{name} trains {part.scope}, and this network has none below its head: it would be linear-probe"


def make_candidate(role: str, strategy: str, rate: float, legs: tuple[Leg, ...], model: Any) -> Candidate:
    """Return a candidate with what it trains counted."""
    trained = [group.name for group in layer_groups(model) if any(group.name in leg.groups for leg in legs)]
    parameters = max(count_trained(model, leg) for leg in legs) + count_adapters(model, legs[0].rank)
    return Candidate(role, strategy, rate, legs, find_strategy(strategy).blend, tuple(trained), parameters)
