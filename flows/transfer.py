"""transfer: from raw data to a verdict and a registered model, for one target."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.runtime import deployment, flow_run
from prefect.states import Completed

from flows.asking import Skipped, agree
from flows.checkout import occupied
from flows.reconciling import reconcile
from graft.catalog import load
from tasks.alone import alone
from tasks.champion import begins_from_champion, bring_champion
from tasks.deciding import find_unchanged, foresee, settle, untrained
from tasks.devices import device
from tasks.pipeline import plan, require_data
from tasks.reporting import report
from tasks.stage import bring_data, claim, publish, run_stage
from tasks.turns import Taken, turn, turn_of_target


def name_run() -> str:
    """Return a run name a person can read: `digits: transfer, 2026-11-24`."""
    return f"{flow_run.parameters['target']}: transfer, {date.today()}"


@flow(name="transfer", flow_run_name=name_run, persist_result=False)
def transfer(target: str, refresh: bool = False, decide: bool = False) -> dict[str, Any] | State[Any]:
    """Check, pretrain, adapt, evaluate, ask the gates, register; what is current already is skipped.

    Of two runs of one target on the workers of a server the later one ends at once as *Joined*. One that decided not to
    train ends as *Skipped*.

    Args:
        target: A target of params.yaml, such as digits.
        refresh: Bring the newest version of imported data first.
        decide: Skip the target where nothing changed or a training is not worth it, as its `retraining` says.
    """
    if deployment.id is not None:  # at a terminal there is a person who sees what became of earlier runs
        for line in reconcile():
            get_run_logger().warning(line)
    try:
        say = get_run_logger().info
        with occupied(), alone(f"transfer@{target}", say), turn(turn_of_target(target), wait=False), device(say):
            return run(target, refresh, decide)
    except Taken:
        return Completed(
            name="Joined",
            message=f"another run of {target} is at work or waits for a person; this one leaves it to that",
        )
    except Skipped as reason:
        return Completed(name="Skipped", message=str(reason), data=untrained(target, str(reason)))


def run(target: str, refresh: bool, decide: bool) -> dict[str, Any]:
    """Do all of a target's steps in order; raises Skipped where nothing is to be done."""
    steps = plan(target, load())
    bring_data(target, steps.tracked, refresh)
    run_all(steps.builders)
    require_data(target, load())
    if decide and (reason := find_unchanged(target)):
        raise Skipped(reason)
    number = claim(target)
    run_all(steps.checks)
    estimate = agree(foresee(target, by_hand=not decide))
    if begins_from_champion(target):
        bring_champion(target)
    run_all(steps.training)
    decision = publish(target, number)
    settle(target, estimate, decision)
    return report(target, decision)


def run_all(stages: Sequence[str]) -> None:
    """Run stages one after another."""
    for stage in stages:
        run_stage(stage)
