"""A retraining that decides: it skips, it asks, it waits no longer than it was told to, and says why."""

import contextvars
import json
import threading
import time

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import StateType

from flows.asking import Skipped, agree, ask
from flows.retrain import retrain
from flows.transfer import transfer
from graft.catalog import load
from graft.errors import GraftError
from graft.retraining import wording
from graft.retraining.estimate import Estimate
from tasks.deciding import state_of
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


@flow
def asking(seconds: float) -> Estimate:
    found = Estimate("moods", DAY, "accuracy", choice="ask", reason="retraining.choice is `ask`")
    return ask(found, seconds, poll_seconds=1)


def answer(**given):
    """Resume the first run that waits, as the dashboard does."""
    paused = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED])))
    with get_client(sync_client=True) as client:
        deadline = time.monotonic() + 60
        while not (found := client.read_flow_runs(flow_run_filter=paused)) and time.monotonic() < deadline:
            threading.Event().wait(0.2)
        client.resume_flow_run(found[0].id, run_input=given)


@pytest.mark.parametrize(("train", "choice"), [(True, "train"), (False, "skip")])
def test_a_person_answers_in_the_dashboard_and_the_reason_stays(train, choice):
    context = contextvars.copy_context()
    person = threading.Thread(target=context.run, args=(lambda: answer(train=train, reason="the new scanner"),))
    person.start()
    found = asking(60)
    person.join()
    assert (found.choice, found.reason) == (choice, "a person said so: the new scanner")


def test_nobody_answers_and_the_target_is_skipped_with_the_reason():
    found = asking(2)
    assert found.choice == "skip"
    assert found.reason.startswith("nobody answered within")


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
