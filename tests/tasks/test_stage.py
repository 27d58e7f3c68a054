import re
import sys
from datetime import date

import pytest
from prefect import flow
from prefect.client.orchestration import get_client

from graft.errors import DataError, DeviceLost, Killed, OutOfMemory, Transient
from tasks.devices import device
from tasks.reporting import artifact_key
from tasks.stage import run_stage

AT_ONCE = run_stage.with_options(retries=2, retry_delay_seconds=0, retry_jitter_factor=None)


@flow(name="one-stage")
def one_stage():
    return AT_ONCE("make")


pytestmark = pytest.mark.usefixtures("server")


def test_a_transient_fault_is_tried_again_and_the_run_has_a_readable_name(endings, attempts):
    endings(["Transient", 74], ["Transient", 74])
    assert one_stage().action == "ran"
    assert attempts() == ["Transient", "Transient", "done"]
    with get_client(sync_client=True) as client:
        assert f"make, {date.today()}" in {run.name for run in client.read_task_runs()}


def test_a_fault_that_stays_is_raised_after_the_last_try(endings, attempts):
    endings(*[["Transient", 74]] * 9)
    with pytest.raises(Transient):
        one_stage()
    assert len(attempts()) == 1 + AT_ONCE.retries


def test_bad_input_is_not_tried_again(endings, attempts):
    endings(["DataError", 2])
    with pytest.raises(DataError, match="DataError happened"):
        one_stage()
    assert attempts() == ["DataError"]


def test_a_step_that_was_killed_is_tried_once_more_and_that_is_said(endings, attempts, caplog):
    endings(["killed", 0])
    assert one_stage().action == "ran"
    assert "make: its process was killed from outside" in caplog.text
    assert "It is tried again." in caplog.text
    assert attempts() == ["killed", "done"]


def test_a_step_that_is_killed_again_fails(endings, attempts):
    endings(["killed", 0], ["killed", 0])
    with pytest.raises(Killed, match=r"for memory ran out \(`dmesg` says so; .* make the batch smaller \(batch_size"):
        one_stage()
    assert attempts() == ["killed", "killed"]


def test_a_step_that_lost_its_gpu_is_tried_once_more_in_a_new_process(endings, attempts):
    endings(["DeviceLost", 74])
    assert one_stage().action == "ran"
    assert attempts() == ["DeviceLost", "done"]


def test_a_step_that_loses_its_gpu_again_fails_and_another_run_may_have_the_gpu(
    endings, attempts, monkeypatch, tmp_path
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    endings(["DeviceLost", 74], ["DeviceLost", 74])
    with pytest.raises(DeviceLost, match="DeviceLost happened"), device(print):
        one_stage()
    assert attempts() == ["DeviceLost", "DeviceLost"]
    with device(lambda line: pytest.fail(line)) as name:  # it would say that it waits
        assert name == "0"


def test_memory_that_does_not_do_is_not_tried_again(endings, attempts):
    endings(["OutOfMemory", 2])
    with pytest.raises(OutOfMemory):
        one_stage()
    assert attempts() == ["OutOfMemory"]


def test_progress_reaches_the_dashboard(repo, monkeypatch):
    monkeypatch.setenv("STEP_SECONDS", "2.5")
    one_stage()
    with get_client(sync_client=True) as client:
        found = [artifact for artifact in client.read_artifacts() if artifact.key == "make"]
    latest = max(found, key=lambda artifact: artifact.created)
    assert (float(latest.data), latest.description) == (100.0, "make: done")


@pytest.mark.parametrize("words", [("adapt@digits",), ("Ünïcode_x", "trials"), ("a--b__c",)])
def test_artifact_keys_are_what_prefect_allows(words):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", artifact_key(*words))


def test_a_step_never_loads_prefect():
    import subprocess

    program = "import sys, tasks.guard, tasks.pipeline; sys.exit('prefect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
