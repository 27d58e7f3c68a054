import os
import subprocess
import sys
from uuid import uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, StateType
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import checkout
from flows.checkout import enter, occupied, thin
from graft.errors import BadInput, Transient


@pytest.fixture
def origin(checkout_template, tmp_path, monkeypatch):
    """A repository with one commit that runs are cloned from."""
    folder = tmp_path / "origin"
    subprocess.run(["git", "clone", "-q", str(checkout_template), str(folder)], check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q", "--force"], cwd=folder, check=True)
    (folder / "params.yaml").write_text("sources: {}\ntargets: {}\n")
    who = ["-c", "user.name=a", "-c", "user.email=a@localhost"]
    subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
    subprocess.run(["git", *who, "commit", "-qm", "one"], cwd=folder, check=True)
    monkeypatch.setenv("GRAFT_ORIGIN", str(folder))
    return folder


@pytest.fixture
def checkouts(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAFT_CHECKOUTS", str(tmp_path / "checkouts"))
    monkeypatch.setenv(checkout.RUN, "a-run")
    return tmp_path / "checkouts"


def test_a_run_gets_a_checkout_of_its_own_that_shares_the_cache(origin, checkouts):
    place = enter()["directory"]
    assert place == str(checkouts / "a-run")
    assert (checkouts / "a-run" / "params.yaml").read_text() == "sources: {}\ntargets: {}\n"
    cache = subprocess.run([sys.executable, "-m", "dvc", "cache", "dir"], cwd=place, capture_output=True, text=True)
    assert cache.stdout.strip() == str(origin / ".dvc" / "cache")


def test_a_login_in_the_address_of_the_origin_is_in_no_message_and_not_in_the_clone(checkouts, monkeypatch):
    monkeypatch.setenv("GRAFT_ORIGIN", "http://ann:canary-token@127.0.0.1:9/graft.git")
    with pytest.raises(
        Transient, match=r"http://127\.0\.0\.1:9/graft\.git: this repository cannot be cloned"
    ) as refused:
        enter()
    assert "canary" not in str(refused.value)


def test_a_login_is_used_and_not_kept(origin, checkouts, monkeypatch):
    """git itself leads the address with the login to the repository beside it."""
    address = "http://ann:canary-token@example.test/graft.git"
    monkeypatch.setattr(checkout, "login_of", led_by(checkout.login_of, origin, address))
    monkeypatch.setenv("GRAFT_ORIGIN", address)
    place = enter()["directory"]
    config = (checkouts / "a-run" / ".git" / "config").read_text()
    assert place == str(checkouts / "a-run")
    assert "http://example.test/graft.git" in config
    assert "canary" not in config


def led_by(login_of, origin, address):
    """Return `login_of`, with the folder in the place of the address that nobody answers at."""

    def found(given):
        return {name: value.replace(address, str(origin)) for name, value in login_of(given).items()}

    return found


def test_a_run_that_is_started_again_finds_what_it_left(origin, checkouts):
    enter()
    (checkouts / "a-run" / "left").touch()
    enter()
    assert (checkouts / "a-run" / "left").exists()


def test_the_remote_of_the_environment_is_that_of_the_checkout(origin, checkouts, monkeypatch):
    monkeypatch.setenv("GRAFT_REMOTE", "s3://bucket/dvc")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    place = enter()["directory"]
    listed = subprocess.run(
        [sys.executable, "-m", "dvc", "config", "--list"], cwd=place, capture_output=True, text=True
    )
    assert {
        "core.remote=team",
        "remote.team.url=s3://bucket/dvc",
        "remote.team.verify=true",
        "remote.team.endpointurl=http://127.0.0.1:9",
    } <= set(listed.stdout.split())


def test_without_checkouts_all_runs_share_the_origin(origin, tmp_path):
    assert enter(str(tmp_path / "deployed-from")) == {"directory": str(origin)}


def test_a_worker_that_knows_no_folder_says_what_to_set(monkeypatch):
    monkeypatch.delenv("GRAFT_ORIGIN", raising=False)
    with pytest.raises(BadInput, match=r"(?s)does not know.*GRAFT_ORIGIN"):
        enter()


def test_a_repository_that_is_not_there_leaves_nothing_half_made(checkouts, tmp_path, monkeypatch):
    monkeypatch.setenv("GRAFT_ORIGIN", str(tmp_path / "missing"))
    with pytest.raises(Transient, match="cannot be cloned"):
        enter()
    assert not (checkouts / "a-run").exists()


def test_old_checkouts_go_but_none_that_a_run_is_in(tmp_path):
    for number in range(checkout.KEPT + 3):
        (tmp_path / str(number)).mkdir()
        os.utime(tmp_path / str(number), (number, number))
    with occupied(tmp_path / "1"):
        os.utime(tmp_path / "1", (1, 1))
        thin(tmp_path)
    left = sorted(int(path.name) for path in tmp_path.iterdir())
    assert left == [1, *range(3, checkout.KEPT + 3)]


@flow(name="sleeper")
def sleeper():
    pass


@pytest.fixture
def checkouts_of_runs(server, tmp_path):
    """Return a function that makes a folder, older than any that is kept, for a run in each of some states."""

    def make(*kinds):
        for number in range(checkout.KEPT):
            (tmp_path / str(number)).mkdir()
        with get_client(sync_client=True) as client:
            runs = [client.create_flow_run(sleeper) for _ in kinds]
            for run, kind in zip(runs, kinds, strict=True):
                client.set_flow_run_state(run.id, State(type=kind), force=True)
        folders = {kind: tmp_path / str(run.id) for run, kind in zip(runs, kinds, strict=True)}
        for folder in folders.values():
            folder.mkdir()
            os.utime(folder, (1, 1))
        return folders

    return make


def test_the_checkout_of_a_run_that_waits_or_crashed_stays_for_it_goes_on_there(checkouts_of_runs, tmp_path):
    ends = (StateType.COMPLETED, StateType.FAILED, StateType.CANCELLED)
    folders = checkouts_of_runs(StateType.PAUSED, StateType.SCHEDULED, StateType.CRASHED, *ends)
    forgotten = tmp_path / str(uuid4())  # a run that was deleted at the server
    forgotten.mkdir()
    os.utime(forgotten, (1, 1))
    thin(tmp_path)
    left = {kind for kind, folder in folders.items() if folder.exists()}
    assert left == {StateType.PAUSED, StateType.SCHEDULED, StateType.CRASHED}
    assert not forgotten.exists()


def test_where_the_server_does_not_answer_no_checkout_of_a_run_goes(checkouts_of_runs, tmp_path):
    folders = checkouts_of_runs(StateType.COMPLETED)
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        thin(tmp_path)
    assert folders[StateType.COMPLETED].exists()
