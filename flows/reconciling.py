"""Runs whose process died without a word: each is started again, or given up with the reason. None stays Running.

And runs that wait for a person: when their time is over they end as *Skipped*. Prefect's `retries` do not apply to a
run that crashed, and one that died before its first heartbeat is seen by nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import uuid4

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterTags,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import Completed, Failed, Scheduled

TAG = "graft"  # of the deployments of prefect.yaml
STARTS = 3  # of one run, the first included
SILENCE = timedelta(seconds=150)  # of a run that is at work; it beats every 30 s
STARTING = timedelta(seconds=90)  # between a worker's taking a run and the run's own first word
ANSWERABLE = timedelta(hours=1)  # between the end of our waiting for a person and Prefect's, which fails the run
HEARTBEAT = "prefect.flow-run.heartbeat"
LOOK_BACK = timedelta(days=1)  # by how much the clock of a run's machine may be wrong
PAGES = 10  # of 50 heartbeats each, the newest first by that clock; they are some four hours
DEAD_OR_AT_WORK = (StateType.CRASHED, StateType.RUNNING, StateType.PENDING)


def reconcile(now: datetime | None = None) -> list[str]:
    """Look at every run of ours that is not at its end, mend what is dead, and return what was done in words.

    A server that does not answer is no error: the next look comes. What time it is, is the server's business: by a
    clock of ours that has jumped every run would be dead.
    """
    from httpx import HTTPError

    try:
        with get_client(sync_client=True) as client:
            now = now or server_time(client)
            mended = [line for run in unfinished(client) if (line := mend(client, run, now))]
            return mended + [skip(client, run) for run in unanswered(client, now)]
    except HTTPError:
        return []


def dead_runs(now: datetime | None = None) -> list[str]:
    """Return the runs that are dead and nobody has mended yet, in words, and change nothing."""
    with get_client(sync_client=True) as client:
        now = now or server_time(client)
        causes = [(run, cause_of_death(client, run, now)) for run in unfinished(client)]
    return [f"{run.name}: {cause}" for run, cause in causes if cause is not None]


def unfinished(client: SyncPrefectClient) -> Sequence[FlowRun]:
    """Return the runs of our deployments that crashed, or are at work or about to be."""
    return runs_in(client, *DEAD_OR_AT_WORK)


def unanswered(client: SyncPrefectClient, now: datetime) -> list[FlowRun]:
    """Return the runs that wait for a person and whose time is over."""
    return [run for run in runs_in(client, StateType.PAUSED) if (end := deadline(run)) is not None and end <= now]


def runs_in(client: SyncPrefectClient, *kinds: StateType) -> Sequence[FlowRun]:
    """Return the runs of our deployments that are in one of some states."""
    return client.read_flow_runs(
        deployment_filter=DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG])),
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(kinds)))),
        limit=200,
    )


def deadline(run: FlowRun) -> datetime | None:
    """Return until when a suspended run waits for a person."""
    end = run.state.state_details.pause_timeout if run.state else None
    return None if end is None else end - ANSWERABLE


def no_answer(waited: timedelta) -> str:
    """Return why a run is skipped that nobody has answered."""
    return f"it is skipped, for nobody answered within {waited.total_seconds() / 3600:.3g} h"


def skip(client: SyncPrefectClient, run: FlowRun) -> str:
    """End a run that nobody has answered, and say so."""
    assert run.state is not None
    end = deadline(run)
    assert end is not None
    why = no_answer(end - run.state.timestamp)
    put(client, run, Completed(name="Skipped", message=why))
    return f"{run.name}: {why}"


def mend(client: SyncPrefectClient, run: FlowRun, now: datetime) -> str | None:
    """Start a dead run again or give it up, and say so; None for one that is alive."""
    if (death := cause_of_death(client, run, now)) is None:
        return None
    starts = run.run_count - len(run.empirical_policy.pause_keys or ())  # a person's answer starts a run, too
    if starts >= STARTS:
        state = Failed(message=f"given up after {starts} starts: {death}")
        put(client, run, state)
        return f"{run.name}: failed, for its process died {starts} times"
    state = Scheduled(name="AwaitingRetry", message=f"start {starts + 1} of {STARTS}: {death}")
    put(client, run, state)
    return f"{run.name}: started again, for {death}"


def put(client: SyncPrefectClient, run: FlowRun, state: State[Any]) -> None:
    """Put a run into a state that Prefect's own rules would not let it reach, and tell its automations.

    A state that is forced sends no event, and the automation that waits for a heartbeat or an end would go on waiting,
    and declare the run dead once more.
    """
    client.set_flow_run_state(run.id, state, force=True)
    event = {
        "event": f"prefect.flow-run.{state.name}",
        "occurred": datetime.now(UTC).isoformat(),
        "id": str(uuid4()),
        "resource": {"prefect.resource.id": f"prefect.flow-run.{run.id}", "prefect.resource.name": run.name},
        "related": [{"prefect.resource.id": f"prefect.tag.{TAG}", "prefect.resource.role": "tag"}],
    }
    client.request("POST", "/events", json=[event]).raise_for_status()


def cause_of_death(client: SyncPrefectClient, run: FlowRun, now: datetime) -> str | None:
    """Return why a run is taken for dead, or None."""
    state = run.state
    assert state is not None
    if state.type == StateType.CRASHED:
        return state.message or "its process died"
    silent = now - state.timestamp
    if silent < (STARTING if state.type == StateType.PENDING else SILENCE):
        return None
    if state.type == StateType.PENDING:
        return f"its worker died before it began ({silent.seconds} s ago)"
    return None if beats(client, run, now) else f"no heartbeat for {SILENCE.seconds} s"


def beats(client: SyncPrefectClient, run: FlowRun, now: datetime) -> bool:
    """Return whether the server has heard of a run since `SILENCE`, whatever the clock of the run's machine says."""
    content = {
        "filter": {
            "occurred": {"since": (now - LOOK_BACK).isoformat(), "until": (now + LOOK_BACK).isoformat()},
            "event": {"name": [HEARTBEAT]},
            "resource": {"id": [f"prefect.flow-run.{run.id}"]},
        },
        "limit": 50,
    }
    response = client.request("POST", "/events/filter", json=content)
    for _ in range(PAGES):
        response.raise_for_status()
        page = response.json()
        if any(datetime.fromisoformat(event["received"]) >= now - SILENCE for event in page["events"]):
            return True
        if not page["next_page"]:
            return False
        response = client.request("GET", page["next_page"])
    return False


def server_time(client: SyncPrefectClient) -> datetime:
    """Return what time it is for the server, to the second."""
    said = client.request("GET", "/hello").headers.get("date")
    return parsedate_to_datetime(said) if said else datetime.now(UTC)
