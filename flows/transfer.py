"""transfer: from raw data to a verdict and a registered model, for one target."""

from __future__ import annotations

from datetime import date
from typing import Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed

from flows.checkout import occupied
from graft.catalog import load
from tasks.devices import device
from tasks.pipeline import plan
from tasks.reporting import report
from tasks.stage import bring_data, claim, publish, run_stage
from tasks.turns import Taken, turn, turn_of_target


def name_run() -> str:
    """Return a run name a person can read: `digits: transfer, 2026-11-24`."""
    return f"{flow_run.parameters['target']}: transfer, {date.today()}"


@flow(name="transfer", flow_run_name=name_run, persist_result=False)
def transfer(target: str, refresh: bool = False) -> dict[str, Any] | State[Any]:
    """Check, pretrain, adapt, evaluate, ask the gates, register; what is current already is skipped.

    Of two runs of one target on the workers of a server the later one ends at once as *Joined*.

    Args:
        target: A target of params.yaml, such as digits.
        refresh: Bring the newest version of imported data first.
    """
    try:
        with occupied(), turn(turn_of_target(target), wait=False), device(get_run_logger().info):
            return run(target, refresh)
    except Taken:
        return Completed(name="Joined", message=f"another run of {target} is at work; this one leaves it to that")


def run(target: str, refresh: bool) -> dict[str, Any]:
    """Do all of a target's steps in order."""
    steps = plan(target, load())
    number = claim(target)
    bring_data(target, steps.tracked, refresh)
    for stage in steps.stages:
        run_stage(stage)
    return report(target, publish(target, number))
