"""A retraining that decides: it skips, it asks, it waits no longer than it was told to, and says why."""

import contextlib
import json
import os
from datetime import timedelta
from uuid import uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import State, StateType
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow
from prefect.states import Completed, Crashed, Scheduled

from flows.asking import Skipped, agree, ask
from flows.checkout import occupied
from flows.reconciling import STARTS, reconcile
from flows.retrain import retrain
from flows.transfer import transfer
from flows.workers import follow
from graft.catalog import load
from graft.errors import GraftError
from graft.retraining import wording
from graft.retraining.estimate import Estimate
from tasks.deciding import state_of
from tasks.devices import is_locked
from tasks.turns import Taken
from tests.flows.studies import DAY, register

pytestmark = pytest.mark.usefixtures("server", "checkout")


def artifacts(key):
    with get_client(sync_client=True) as client:
        return [str(one.data) for one in client.read_artifacts() if one.key == key]


def test_a_target_in_which_nothing_changed_is_skipped_before_any_stage_and_says_since_when(checkout):
    register("moods")
    (row,) = retrain(["moods"])
    assert row["choice"] == "skip"
    assert row["sentence"] == "nothing changed since 2026-11-24 02:00: same data digest, code, parameters"
    assert not (checkout / "turns.txt").exists()
    assert any("nothing changed since" in text for text in artifacts("moods-estimate"))
    state = transfer("moods", decide=True, return_state=True)
    assert (state.name, state.type) == ("Skipped", StateType.COMPLETED)


def test_a_target_whose_data_changed_is_not_skipped(checkout):
    register("moods")
    (checkout / "data" / "moods.csv").write_text("text,label\nnew,1\n")
    (checkout / "fail.json").write_text(json.dumps(["check-target@moods"]))
    with pytest.raises(GraftError, match="two bad rows"):
        retrain(["moods"])
    assert "check-target@moods" in (checkout / "turns.txt").read_text()


def test_by_hand_nothing_is_skipped(checkout):
    register("moods")
    (checkout / "fail.json").write_text(json.dumps(["check-target@moods"]))
    with pytest.raises(GraftError, match="two bad rows"):
        transfer("moods")


def test_the_catalogues_state_is_that_of_every_part():
    assert len(set(state_of("moods"))) == 5
    assert load().target("moods").retraining.choice == "auto"


@flow(name="answering", persist_result=False)
def answering(target: str, seconds: float = 3600) -> State:
    """Ask, and say what came of it."""
    try:
        found = ask(Estimate(target, DAY, "accuracy", choice="ask", reason="retraining.choice is `ask`"), seconds)
    except Taken:
        return Completed(message="another waits")
    return Completed(message=f"{found.choice}: {found.reason}")


@flow(name="reconcile", persist_result=False)
def looking():
    pass


@pytest.fixture
def client():
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def deployed(client):
    """Return a function that makes a run of a deployment of a flow; nothing that waits is left behind."""
    made = []

    def deploy(of, **parameters):
        about = {"name": f"d-{uuid4().hex[:8]}", "tags": ["graft"]}
        identity = client.create_deployment(client.create_flow(of), **about)
        return lambda: (
            made.append(run := client.create_flow_run_from_deployment(identity, parameters=parameters)) or run
        )

    yield deploy
    for run in made:
        client.delete_flow_run(run.id)


def go_on(of, identity):
    """Do what a worker does with a run that is due, and return what came of it; a suspended run ends its process."""
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(identity)
        with contextlib.suppress(Pause):
            run_flow(of, flow_run=run, parameters=run.parameters, return_type="state")
        return client.read_flow_run(identity).state


@pytest.mark.parametrize(("train", "choice"), [(True, "train"), (False, "skip")])
def test_a_person_answers_in_the_dashboard_and_the_run_begins_again_with_the_reason(client, deployed, train, choice):
    run = deployed(answering, target="moods")()
    assert go_on(answering, run.id).name == "Suspended"
    client.resume_flow_run(run.id, run_input={"train": train, "reason": "the new scanner"})
    assert client.read_flow_run(run.id).state.name == "Resuming"
    assert go_on(answering, run.id).message == f"{choice}: a person said so: the new scanner"


def test_an_answer_is_kept_when_the_run_that_got_it_dies(client, deployed):
    run = deployed(answering, target="moods")()
    go_on(answering, run.id)
    client.resume_flow_run(run.id, run_input={"train": True, "reason": "yes"})
    for _ in range(2):
        assert go_on(answering, run.id).message == "train: a person said so: yes"
        client.set_flow_run_state(run.id, Scheduled(name="AwaitingRetry"), force=True)


def test_a_run_that_died_unanswered_asks_again_and_counts_only_its_deaths(client, deployed):
    run = deployed(answering, target="moods")()
    for _ in range(STARTS):
        assert go_on(answering, run.id).name == "Suspended"
        client.set_flow_run_state(run.id, Crashed(message="killed"), force=True)
        assert any("started again" in line for line in reconcile())


def test_of_two_runs_of_one_target_only_one_asks(client, deployed):
    make = deployed(answering, target="moods")
    first, second = make(), make()
    assert go_on(answering, first.id).name == "Suspended"
    assert go_on(answering, second.id).message == "another waits"


def test_nobody_answers_and_the_target_is_skipped_at_its_deadline_with_the_reason(client, deployed):
    run = deployed(answering, target="moods", seconds=1800)()
    state = go_on(answering, run.id)
    assert not [line for line in reconcile(state.timestamp + timedelta(minutes=29)) if run.name in line]
    assert any("nobody answered" in line for line in reconcile(state.timestamp + timedelta(minutes=31)))
    state = client.read_flow_run(run.id).state
    assert (state.name, state.type) == ("Skipped", StateType.COMPLETED)
    assert state.message == "it is skipped, for nobody answered within 0.5 h"


def test_at_the_deadline_the_reconciler_looks_without_a_schedule(client, deployed):
    identity = client.create_deployment(client.create_flow(looking), name="reconcile")
    run = deployed(answering, target="moods", seconds=1800)()
    state = go_on(answering, run.id)
    (due,) = client.read_flow_runs(deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[identity])))
    waited = due.expected_start_time - state.timestamp
    assert timedelta(minutes=29) < waited < timedelta(minutes=31)
    client.delete_deployment(identity)


def test_who_stops_watching_a_run_is_told_that_it_goes_on(client):
    identity, said = client.create_deployment(client.create_flow(looking), name="watched"), []

    def say(line):
        said.append(line)
        if len(said) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow("reconcile/watched", {}, "all targets: retrain", say)
    assert "scheduled" in said[0]
    assert said[1:] == [
        "all targets: retrain: no longer watched, and not ended: it goes on on the workers, and Cancel in the dashboard"
        " ends it"
    ]
    client.delete_deployment(identity)


def test_a_transfer_that_waits_holds_no_turn_no_gpu_and_no_checkout_and_goes_on_when_answered(
    client, deployed, checkout, monkeypatch, tmp_path
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    params = checkout / "params.yaml"
    params.write_text(params.read_text().replace("study: {}", "retraining: {choice: ask}\n    study: {}", 1))
    (checkout / "fail.json").write_text(json.dumps(["pretrain@words"]))
    run = deployed(transfer, target="moods", decide=True)()
    assert go_on(transfer, run.id).name == "Suspended"
    steps = (checkout / "turns.txt").read_text().split()
    assert steps == ["check-source@words", "check-target@moods"]
    assert client.read_global_concurrency_limit_by_name("target moods").active_slots == 0
    with occupied(wait=False), (tmp_path / f"graft-devices-{os.getuid()}" / "7").open("w") as lease:
        assert is_locked(lease)
    client.resume_flow_run(run.id, run_input={"train": True, "reason": "yes"})
    assert "pretrain@words: two bad rows" in go_on(transfer, run.id).message
    assert (checkout / "turns.txt").read_text().split() == [*steps, "pretrain@words"]  # what was checked stays checked


@flow
def agreeing(choice: str) -> Estimate:
    return agree(Estimate("moods", DAY, "accuracy", last="moods@1", choice=choice, reason="so"))


def test_a_run_at_a_terminal_asks_nobody():
    with pytest.raises(Skipped, match=r"a run at a terminal has no dashboard; `graft run moods` trains it"):
        agreeing("ask")


def test_before_the_first_study_nothing_is_expected():
    first = Estimate("moods", DAY, "accuracy", choice="train", reason="it is the first study of this target")
    assert wording.headline(first) == "it is trained, for it is the first study of this target"
    page = wording.page(first)
    assert "It is the first study of this target." in page
    assert "not known" not in page


def test_what_is_worth_it_goes_on_and_what_is_not_says_why():
    assert agreeing("train").choice == "train"
    assert agreeing("evaluate").choice == "evaluate"
    with pytest.raises(Skipped, match=r"it is skipped, for so\. Expected: gain not known, cost not known"):
        agreeing("skip")
