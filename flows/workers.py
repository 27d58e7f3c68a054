"""Runs on the workers of a server: start them, wait for them, read what came of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
)
from prefect.client.schemas.objects import Artifact, FlowRun, StateType
from prefect.deployments import run_deployment
from prefect.runtime import flow_run

from graft.catalog import load
from graft.errors import GraftError
from tasks.deciding import untrained
from tasks.patience import patiently
from tasks.reporting import artifact_key

TRANSFER = "transfer/transfer"
POLL_SECONDS = 2.0
CRASHED_SECONDS = 300.0  # a run that crashed is started again by the reconciler, or given up, within this time


def attempt_on_workers(names: Sequence[str]) -> list[dict[str, Any]]:
    """Run each target's transfer as a run of its own, wait for all, and return the summary or error of each.

    A retraining that is started again finds the runs that it started before. It waits for no person: a run that does is
    answered for by what it asks.
    """
    runs = {name: _start_transfer(name) for name in names}
    ended = wait_for(runs.values())
    return [row_of(name, ended[identity]) for name, identity in runs.items()]


def _start_transfer(name: str) -> UUID:
    parameters = {"target": name, "refresh": True, "decide": True}
    below = load().target(name).retraining.choice != "ask"  # Prefect suspends no run that is below another
    return start(TRANSFER, parameters, f"{name}: transfer", f"{flow_run.id}/{name}", below)


def start(
    deployment: str, parameters: Mapping[str, Any], name: str, key: str | None = None, below: bool = True
) -> UUID:
    """Ask for a run of a deployment and return its id; the same key never makes a second run.

    Within a run it is shown `below` that one, where it is not told otherwise.
    """
    run = patiently(
        run_deployment,
        deployment,
        parameters=dict(parameters),
        flow_run_name=f"{name}, {date.today()}",
        timeout=0,
        as_subflow=below,
        idempotency_key=key,
    )
    return UUID(str(run.id))


def wait_for(identities: Iterable[UUID], see: Callable[[FlowRun], None] = lambda run: None) -> dict[UUID, FlowRun]:
    """Return all runs once they have ended or wait for a person; `see` is shown each in another state than before.

    Of runs that these have started it is shown the same.
    """
    wanted, shown, crashed = list(identities), dict[UUID, Any](), dict[Any, float]()
    while True:
        found = patiently(read_runs, FlowRunFilter(id=FlowRunFilterId(any_=wanted)))
        children = patiently(read_runs, FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=wanted)))
        for run in [*found, *children]:
            if shown.get(run.id) != (state := (run.state_name, run.run_count)):
                shown[run.id] = state
                see(run)
        if len(found) == len(wanted) and all(has_ended(run, crashed) for run in found):
            return {run.id: run for run in found}
        time.sleep(POLL_SECONDS)


def read_runs(only: FlowRunFilter) -> list[FlowRun]:
    """Return the runs that a filter lets through."""
    with get_client(sync_client=True) as client:
        return client.read_flow_runs(flow_run_filter=only)


def has_ended(run: FlowRun, crashed: dict[Any, float]) -> bool:
    """Return whether nothing more will happen to a run by itself; one that crashed may yet be started again.

    `crashed` keeps since when each crash is known, by a clock that does not jump.
    """
    if run.state is not None and run.state.is_paused():
        return True
    if run.state is None or not run.state.is_final():
        return False
    if run.state.type != StateType.CRASHED:
        return True
    return time.monotonic() - crashed.setdefault(run.state.id, time.monotonic()) > CRASHED_SECONDS


def row_of(target: str, run: FlowRun) -> dict[str, Any]:
    """Return the summary that a target's run left, or its name with what ended it."""
    assert run.state is not None
    if run.state.is_paused():
        hours = load().target(target).retraining.ask_hours
        return untrained(target, f"it waits for a person: Resume in the dashboard, within {hours:.3g} h", "ask")
    if run.state.type != StateType.COMPLETED:
        return {"target": target, "error": f"{run.state.name}: {run.state.message or 'no reason was given'}"}
    if run.state.name in ("Joined", "Skipped"):
        return untrained(target, str(run.state.message))
    rows = table_of(run.id, artifact_key(target, "summary"))
    return rows[0] if rows else {"target": target, "error": f"run {run.name} left no summary"}


def table_of(run: UUID, key: str) -> list[dict[str, Any]]:
    """Return the rows of the table that a run showed under a key; none where it showed no such table."""
    only = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]), key=ArtifactFilterKey(any_=[key]))
    found = patiently(read_artifacts, only)
    return [dict(row) for row in json.loads(str(found[0].data))] if found else []


def read_artifacts(only: ArtifactFilter) -> list[Artifact]:
    """Return the artifacts that a filter lets through."""
    with get_client(sync_client=True) as client:
        return client.read_artifacts(artifact_filter=only)


def find_deployment(name: str) -> bool:
    """Return whether the server knows a deployment such as `retrain/retrain`."""
    from prefect.exceptions import ObjectNotFound

    try:
        with get_client(sync_client=True) as client:
            client.read_deployment_by_name(name)
    except ObjectNotFound:
        return False
    return True


def follow(deployment: str, parameters: Mapping[str, Any], name: str, say: Callable[[str], None]) -> FlowRun:
    """Start a deployed run, say what becomes of it and of the runs that it starts, and return it when it has ended."""
    if not find_deployment(deployment):
        raise GraftError(f"the server does not know the deployment {deployment}. Make it known: `graft deploy`")
    identity = start(deployment, parameters, name)
    try:
        return wait_for([identity], lambda run: say(f"{run.name}: {str(run.state_name).lower()}"))[identity]
    except KeyboardInterrupt:
        say(f"{name}: no longer watched, and not ended: it goes on on the workers, and Cancel in the dashboard ends it")
        raise
