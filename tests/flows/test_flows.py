import json

import pytest
from prefect.client.orchestration import get_client

from flows.retrain import SomeFailed, retrain
from flows.transfer import transfer
from graft.errors import CatalogError, DataError

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


def test_an_unknown_target_is_refused_before_anything_runs(checkout):
    with pytest.raises(CatalogError, match="did you mean 'moods'"):
        retrain(["mods"])
    assert not (checkout / "turns.txt").exists()


@pytest.mark.parametrize("flow", [transfer, retrain])
def test_every_parameter_has_a_type_and_a_description_for_the_form(flow):
    for parameter in flow.parameters.properties.values():
        assert parameter["description"]
        assert parameter["type"] in ("string", "array", "boolean")
