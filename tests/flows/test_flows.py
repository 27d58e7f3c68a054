import json
import re

import pyarrow as pa
import pytest
from prefect import flow
from prefect.client.orchestration import get_client

from flows.promote import promote
from flows.retrain import SomeFailed, retrain
from flows.transfer import transfer
from graft.catalog import Gates
from graft.errors import CatalogError, DataError, Fenced, RegistryError
from graft.manifest import write_manifest
from graft.registry import Candidate, open_registry, publish
from tasks.stage import claim
from tasks.stage import publish as publish_target
from tests.graft.registry.packages import BERT, METRICS, TEXTS, build_package, save_network

pytestmark = pytest.mark.usefixtures("server", "checkout")


def test_a_failed_check_stops_the_flow_before_any_training(checkout):
    (checkout / "fail.json").write_text(json.dumps(["check-target@moods"]))
    with pytest.raises(DataError, match="two bad rows"):
        transfer("moods")
    assert (checkout / "turns.txt").read_text().split() == ["check-source@words", "check-target@moods"]


def test_one_failing_target_stops_no_other_and_shared_work_is_done_once(checkout):
    (checkout / "fail.json").write_text(json.dumps(["check-target@moods"]))
    with pytest.raises(SomeFailed) as failed:
        retrain()
    turns = (checkout / "turns.txt").read_text().split()
    assert turns == [
        "check-source@words",
        "check-target@moods",
        "check-target@tones",
        "pretrain@words",
        "adapt@tones",
        "evaluate@tones",
    ]
    errors = {row["target"]: row["error"] for row in failed.value.rows}
    assert "two bad rows" in errors["moods"]
    assert "packages/tones" in errors["tones"] or "reports/tones" in errors["tones"]  # its steps made no package
    with get_client(sync_client=True) as client:
        names = {run.name.partition(",")[0] for run in client.read_flow_runs()}
        keys = {artifact.key for artifact in client.read_artifacts()}
    assert {"all targets: retrain", "moods: transfer", "tones: transfer"} <= names
    assert "retrain-summary" in keys


def test_a_run_claims_its_model_when_it_begins_and_a_run_that_begins_again_claims_anew(checkout):
    (checkout / "fail.json").write_text(json.dumps(["check-target@moods"]))
    for _ in range(2):
        with pytest.raises(DataError):
            transfer("moods")
    history = open_registry().history("moods")
    assert [(event.kind, event.claim) for event in history] == [("claimed", 1), ("claimed", 2)]
    assert re.fullmatch(r"moods: transfer, \S+ \(run \w{8}, attempt 1\)", history[0].run)
    assert "takes over from 'moods: transfer" in history[1].reason


def test_a_run_that_was_taken_over_may_not_publish_and_says_who_may(checkout, tmp_path):
    network = save_network(tmp_path / "network", "text-classification", BERT, pa.table({"text": TEXTS}))
    build_package(checkout / "packages/moods", network, [True] * 4, target="moods")
    (checkout / "reports/moods").mkdir(parents=True)
    (checkout / "reports/moods/metrics.json").write_text(json.dumps(METRICS))
    write_manifest(checkout / "reports/moods")

    @flow(name="overtaken")
    def overtaken():
        mine = claim("moods")
        open_registry().claim("moods", "the next")
        return publish_target("moods", mine)

    with pytest.raises(Fenced, match="moods: run 'the next' took over"):
        overtaken()
    assert [event.kind for event in open_registry().history("moods")] == ["claimed", "claimed"]


def test_an_unknown_target_is_refused_before_anything_runs(checkout):
    with pytest.raises(CatalogError, match="did you mean 'moods'"):
        retrain(["mods"])
    assert not (checkout / "turns.txt").exists()


@pytest.fixture
def awaiting(checkout, tmp_path):
    """A registry in the checkout whose only version passed its gates and awaits approval."""
    network = save_network(tmp_path / "network", "text-classification", BERT, pa.table({"text": TEXTS}))
    folder = build_package(tmp_path / "package", network, [True] * 4)
    gates = Gates(approval=True)
    publish(open_registry(), Candidate("words", folder, METRICS, gates, test_rows=lambda: pytest.fail("unasked")))


@pytest.mark.usefixtures("awaiting")
def test_a_person_approves_from_a_form_with_name_and_reason():
    promote("words@challenger", "looked at by two of us", "Ann")
    event = open_registry().history("words")[-1]
    assert (event.kind, event.reason, event.forced) == ("promoted", "looked at by two of us", False)
    assert event.who.startswith("Ann, by ")
    with get_client(sync_client=True) as client:
        shown = [artifact.data for artifact in client.read_artifacts() if artifact.key == "words-promotion"]
    assert "words@1 is champion: looked at by two of us (Ann, by " in shown[0]


@pytest.mark.usefixtures("awaiting")
def test_a_form_without_a_name_or_a_reason_promotes_nothing():
    for reason, name, fault in (("it is good", " ", "the name of who decides"), ("", "Ann", "needs a reason")):
        with pytest.raises(RegistryError, match=fault):
            promote("words@1", reason, name)
    assert open_registry().state("words").champion is None


@pytest.mark.parametrize("one", [transfer, retrain, promote])
def test_every_parameter_has_a_type_and_a_description_for_the_form(one):
    for parameter in one.parameters.properties.values():
        assert parameter["description"]
        assert parameter["type"] in ("string", "array", "boolean")
