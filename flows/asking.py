"""A person decides: a run waits in the dashboard, until its deadline."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from prefect import get_run_logger
from prefect.client.orchestration import get_client
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from prefect.runtime import deployment, flow_run
from prefect.states import Running
from pydantic import Field

from graft.catalog import load
from graft.retraining import wording
from graft.retraining.estimate import Estimate
from tasks.deciding import show_skip
from tasks.patience import patiently

POLL_SECONDS = 5


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


def ask(found: Estimate, seconds: float, poll_seconds: int = POLL_SECONDS) -> Estimate:
    """Wait in the dashboard for a person's answer, at most some seconds; after them the target is skipped."""
    get_run_logger().info("%s: waiting for a person, at most %.0f s: Resume in the dashboard", found.target, seconds)
    form = Answer.with_initial_data(description=wording.page(found), train=True, reason="")
    try:
        answer = pause_flow_run(wait_for_input=form, timeout=max(1, round(seconds)), poll_interval=poll_seconds)
    except FlowPauseTimeout:
        patiently(set_running, UUID(str(flow_run.id)))  # else the server fails a run whose pause has expired
        return replace(found, choice="skip", reason=f"nobody answered within {seconds / 3600:.3g} h")
    who = f"a person said so: {answer.reason or 'no reason was given'}"
    return replace(found, choice="train" if answer.train else "skip", reason=who)


def set_running(run: UUID) -> None:
    """Say that a run is running, whatever the server thinks."""
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run, Running(), force=True)
