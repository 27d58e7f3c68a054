from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateType

from flows import reconciling, workers
from flows.reconciling import STARTS, dead_runs, reconcile

pytestmark = pytest.mark.usefixtures("server")
LATER = datetime.now(UTC) + timedelta(hours=1)


@flow(name="something")
def something():
    pass


@pytest.fixture
def client():
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def run(client):
    """Make a run of a deployment of ours that is in a state since now."""
    made = []

    def make(kind, starts=1, message=None, tags=("graft",)):
        flow_id = client.create_flow(something)
        deployment = client.create_deployment(flow_id, name=f"d-{uuid4().hex[:8]}", tags=list(tags))
        found = client.create_flow_run_from_deployment(deployment, name=f"run-{uuid4().hex[:8]}")
        for _ in range(starts):
            client.set_flow_run_state(found.id, State(type=StateType.RUNNING), force=True)
        if kind is not StateType.RUNNING:
            client.set_flow_run_state(found.id, State(type=kind, message=message), force=True)
        made.append(found.id)
        return found.id

    yield make
    for identity in made:
        client.delete_flow_run(identity)


def test_a_run_that_crashed_is_started_again(client, run):
    identity = run(StateType.CRASHED, message="killed")
    assert any("started again, for killed" in line for line in reconcile())
    state = client.read_flow_run(identity).state
    assert (state.type, state.name) == (StateType.SCHEDULED, "AwaitingRetry")
    assert "start 2 of 3: killed" in state.message


def test_automations_hear_of_a_run_that_is_started_again(client, run):
    """Prefect itself sends no event for a state that is forced, and the heartbeat's automation would wait on."""
    identity = run(StateType.CRASHED, message="killed")
    reconcile()
    wanted = {
        "event": {"name": ["prefect.flow-run.AwaitingRetry"]},
        "resource": {"id": [f"prefect.flow-run.{identity}"]},
    }
    assert poll(lambda: client.request("POST", "/events/filter", json={"filter": wanted}).json()["events"])


def test_a_run_that_crashed_too_often_is_given_up_with_the_reason(client, run):
    identity = run(StateType.CRASHED, starts=STARTS, message="out of memory")
    reconcile()
    state = client.read_flow_run(identity).state
    assert state.type == StateType.FAILED
    assert f"given up after {STARTS} starts: out of memory" in state.message


@pytest.mark.parametrize("kind", [StateType.RUNNING, StateType.PENDING])
def test_a_run_that_says_nothing_is_dead(client, run, kind):
    identity = run(kind)
    reconcile(LATER)
    assert client.read_flow_run(identity).state.type == StateType.SCHEDULED


def test_whoever_only_looks_changes_nothing(client, run):
    identity = run(StateType.CRASHED, message="killed")
    assert any("killed" in line for line in dead_runs())
    assert client.read_flow_run(identity).state.type == StateType.CRASHED


@pytest.mark.parametrize("kind", [StateType.RUNNING, StateType.PENDING])
def test_a_run_that_has_just_begun_is_left_alone(client, run, kind):
    identity = run(kind)
    assert reconcile() == []
    assert client.read_flow_run(identity).state.type == kind


@pytest.mark.parametrize("hours", [0, 1, -1])
def test_a_run_with_a_heartbeat_is_left_alone_whatever_time_it_takes_it_for(client, run, monkeypatch, hours):
    identity = run(StateType.RUNNING)
    beat = {
        "occurred": (datetime.now(UTC) + timedelta(hours=hours)).isoformat(),
        "event": reconciling.HEARTBEAT,
        "resource": {"prefect.resource.id": f"prefect.flow-run.{identity}"},
        "id": str(uuid4()),
    }
    client.request("POST", "/events", json=[beat]).raise_for_status()
    began = client.read_flow_run(identity).state.timestamp
    now = began + timedelta(minutes=10)  # the beat was later than the beginning, and no ten minutes later
    monkeypatch.setattr(reconciling, "SILENCE", now - began)
    assert poll(lambda: reconciling.beats(client, client.read_flow_run(identity), now))
    reconcile(now)
    assert client.read_flow_run(identity).state.type == StateType.RUNNING
    monkeypatch.setattr(reconciling, "SILENCE", timedelta(seconds=1))  # by which the beat is too long ago
    reconcile(now)
    assert client.read_flow_run(identity).state.type == StateType.SCHEDULED


class Ahead(datetime):
    """The clock of a machine that has jumped an hour ahead."""

    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + timedelta(hours=1)


class Behind(datetime):
    """The clock of a machine that has jumped an hour back."""

    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) - timedelta(hours=1)


@pytest.mark.parametrize("clock", [Ahead, Behind])
def test_a_clock_of_ours_that_has_jumped_declares_nobody_dead_and_mends_who_is(client, run, monkeypatch, clock):
    alive, dead = run(StateType.RUNNING), run(StateType.CRASHED, message="killed")
    monkeypatch.setattr(reconciling, "datetime", clock)
    reconcile()
    assert client.read_flow_run(alive).state.type == StateType.RUNNING
    assert client.read_flow_run(dead).state.name == "AwaitingRetry"


def test_a_run_that_crashed_is_waited_for_by_a_clock_that_does_not_jump(client, run, monkeypatch):
    found = client.read_flow_run(run(StateType.CRASHED, message="killed"))
    at, crashed = [1000.0], {}
    monkeypatch.setattr("time.monotonic", lambda: at[0])
    assert not workers.has_ended(found, crashed)
    at[0] += workers.CRASHED_SECONDS - 1
    assert not workers.has_ended(found, crashed)
    at[0] += 2
    assert workers.has_ended(found, crashed)


def poll(see, tries=600):
    """Return whether something comes to be; the server writes events down in batches, each second or so."""
    return any(see() for _ in range(tries))


def test_runs_of_others_are_not_ours_to_mend(client, run):
    identity = run(StateType.CRASHED, tags=("theirs",))
    assert reconcile() == []
    assert client.read_flow_run(identity).state.type == StateType.CRASHED


def test_a_server_that_does_not_answer_is_no_error(monkeypatch):
    from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    from flows.serving import free_port

    dead = {PREFECT_API_URL: f"http://127.0.0.1:{free_port()}/api", PREFECT_CLIENT_MAX_RETRIES: 0}
    with temporary_settings(dead):
        assert reconcile() == []
