"""The untouched source: its frozen backbone under a new head, what there is before anything below is adapted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from graft.backbones import layer_groups, renew_head
from graft.strategies import STRATEGIES, resolve
from graft.study.candidates import Candidate, make_candidate
from graft.study.selection import Standing
from graft.study.trial import Bench

ROLE = "source"


def choose_probe(bench: Bench, standings: Sequence[Standing]) -> tuple[Candidate, int]:
    """Return the linear probe and the steps to train it for.

    Where the study tried it (under whatever name it has on this network): the winner, or else its best learning rate.
    Where it did not: the first learning rate and all of the steps.
    """
    model = renew_head(bench.source, bench.problem, bench.labels, seed=0)
    strategy = STRATEGIES["linear-probe"]
    legs = resolve(strategy, [group.name for group in layer_groups(model)], bench.study.budget_steps)
    for standing in standings:  # the winner first, then by their means
        if standing.candidate.begins == "source" and standing.candidate.legs == legs:
            return replace(standing.candidate, role=ROLE), standing.steps
    return make_candidate(ROLE, strategy.name, bench.study.learning_rates[0], legs, model), bench.study.budget_steps
