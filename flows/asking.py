"""A person decides: a run waits in the dashboard and holds nothing meanwhile, until its deadline."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect import get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.flow_runs import suspend_flow_run
from prefect.input import RunInput, keyset_from_base_key, read_flow_run_input
from prefect.runtime import deployment, flow_run
from pydantic import Field

from flows.reconciling import ANSWERABLE, no_answer, server_time
from graft.catalog import load
from graft.retraining import wording
from graft.retraining.estimate import Estimate
from tasks.deciding import show_skip
from tasks.patience import patiently
from tasks.turns import Taken

LOOK = "reconcile/reconcile"  # what ends a run that nobody has answered


class Skipped(Exception):
    """Nothing is to be trained; the message says why."""


class Answer(RunInput):
    """What the dashboard asks."""

    train: bool = Field(True, description="Whether to train now.")
    reason: str = Field("", description="Why; it stays with the study.")


def agree(found: Estimate) -> Estimate:
    """Return the estimate where the target is trained, with whoever's reason; raises Skipped where it is not."""
    if found.choice == "ask":
        if deployment.id is None:
            reason = "a person is to be asked, and a run at a terminal has no dashboard"
            raise Skipped(show_skip(found.target, f"{reason}; `graft run {found.target}` trains it"))
        found = ask(found, 3600 * load().target(found.target).retraining.ask_hours)
    if found.choice == "skip":
        raise Skipped(show_skip(found.target, wording.headline(found)))
    return found


def ask(found: Estimate, seconds: float) -> Estimate:
    """Return the estimate with what a person has answered.

    Where nobody has answered yet this process ends here, its run *Suspended*: no worker, no turn, no GPU is held. An
    answer starts the run anew, and what it had done is current then. After some seconds without one the reconciler
    ends the run as *Skipped*. Raises Taken where another run of the target waits for a person already.
    """
    run = patiently(read_run, UUID(str(flow_run.id)))
    asked = sorted(run.empirical_policy.pause_keys or ())
    for key in asked:
        if answer := patiently(read_answer, run.id, key):
            who = f"a person said so: {answer.reason or 'no reason was given'}"
            return replace(found, choice="train" if answer.train else "skip", reason=who)
    if patiently(others_wait, found.target):
        raise Taken(found.target)
    until, late = patiently(time_on_server)
    until += timedelta(seconds=seconds)
    patiently(look_again, run.id, until)
    get_run_logger().info(
        "%s: waiting for a person until %s: Resume in the dashboard; else %s",
        *(found.target, until.strftime("%Y-%m-%d %H:%M UTC"), no_answer(timedelta(seconds=seconds))),
    )
    form = Answer.with_initial_data(description=wording.page(found), train=True, reason="")
    # Prefect fails a run whose time is over: ours is over earlier. It reckons from this machine's clock.
    over = round(seconds + (ANSWERABLE + late).total_seconds())
    suspend_flow_run(wait_for_input=form, timeout=over, key=f"ask-{len(asked) + 1}")
    raise AssertionError("a run that is suspended goes on in another process")


def read_run(identity: UUID) -> FlowRun:
    """Return what the server knows of a run now."""
    with get_client(sync_client=True) as client:
        return client.read_flow_run(identity)


def time_on_server() -> tuple[datetime, timedelta]:
    """Return what time it is for the server, and by how much the clock of this machine is late."""
    with get_client(sync_client=True) as client:
        now = server_time(client)
    return now, now - datetime.now(UTC)


def read_answer(run: UUID, key: str) -> Answer | None:
    """Return what a person has answered to a question; None where it is open, as after a crash."""
    given = read_flow_run_input(keyset_from_base_key(f"suspended-{key}")["response"], flow_run_id=run)
    return None if given is None else Answer(**given)


def others_wait(target: str) -> bool:
    """Return whether another run of a target waits for a person."""
    with get_client(sync_client=True) as client:
        waiting = client.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[UUID(str(deployment.id))])),
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED]))
            ),
        )
    return any(run.parameters.get("target") == target and str(run.id) != str(flow_run.id) for run in waiting)


def look_again(run: UUID, when: datetime) -> None:
    """Have the reconciler look when the time for an answer is over; its schedule does it where it is not deployed."""
    try:
        run_deployment(
            LOOK,
            scheduled_time=when + timedelta(seconds=1),
            timeout=0,
            as_subflow=False,
            idempotency_key=f"{run}-{when:%H%M%S}",
        )
    except ObjectNotFound:
        get_run_logger().debug("%s is not deployed", LOOK)
