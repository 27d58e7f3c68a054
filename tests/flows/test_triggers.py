"""A whole server with schedules, events, automations and workers: what starts a retraining, and what it then does."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from uuid import uuid4

import httpx
import pytest

from flows.serving import free_port, serving
from graft.errors import BadInput
from graft.settings import settings
from tasks.children import end_guarded, start_guarded
from tests.flows.studies import register

ROOT = Path(__file__).parents[2]
SECONDS = 240  # what a busy machine may take; nothing waits longer than it must
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def team(checkout_template, tmp_path_factory):
    """A server that knows everything that `graft deploy` makes, and the checkout that its runs work in."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    folder = shutil.copytree(checkout_template, tmp_path_factory.mktemp("team") / "checkout")
    for name in ("flows", "tasks", "graft"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "prefect.yaml", folder)
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.chdir(folder)
        patch.setenv("PREFECT_HOME", str(folder / ".prefect"))
        patch.setenv("PREFECT_API_URL", "")  # what `serving` sets is taken back at the end
        patch.setenv("PREFECT_WORKER_QUERY_SECONDS", "1")
        url = stack.enter_context(serving(free_port(), dashboard=False))
        stack.enter_context(temporary_settings({PREFECT_API_URL: url}))
        from flows.deploying import deploy_all

        deploy_all(lambda line: None)
        yield url


@contextmanager
def worker(pool):
    """Run a worker of a pool for as long as the block."""
    command = [sys.executable, "-m", "prefect", "--no-prompt", "worker", "start", "--pool", pool, "--type", "process"]
    with Path(f"{pool}.log").open("wb") as log:
        process = start_guarded(command, log.fileno(), log.fileno(), {"GRAFT_ORIGIN": str(Path.cwd())})
        try:
            yield
        finally:
            end_guarded(process)


def ask(url, path, **content):
    """Ask the server, again where its SQLite was busy, as Prefect's own client does."""

    def answered():
        response = httpx.post(f"{url}/{path}", json=content, timeout=SECONDS)
        return response if response.status_code != 503 else None

    response = wait_until(answered)
    response.raise_for_status()
    return response.json() if response.content else None


def runs_of(url, deployment, **more):
    return ask(url, "flow_runs/filter", deployments={"name": {"any_": [deployment]}}, **more)


def in_state(url, deployment, *states):
    return [run for run in runs_of(url, deployment) if run["state_type"] in states]


def wait_until(look):
    """Return what `look` finds, once it finds something."""
    deadline = time.monotonic() + SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.5)
    return found


def test_the_nightly_schedule_fires_skips_what_is_unchanged_and_writes_why(team):
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.schedules import IntervalSchedule

    for target in ("moods", "tones"):
        register(target)
    # A night is a minute long: short enough to wait for, long enough that a second one seldom begins beside the first.
    nights = IntervalSchedule(interval=timedelta(minutes=1), anchor_date=datetime.now(UTC) + timedelta(seconds=20))
    with get_client(sync_client=True) as client, worker("light"), worker("gpu"):
        retrain = client.read_deployment_by_name("retrain/retrain").id
        (nightly,) = client.create_deployment_schedules(retrain, [(nights, True)])
        wait_until(lambda: in_state(team, "retrain", "PENDING", "RUNNING", "COMPLETED", "FAILED"))
        client.update_deployment_schedule(retrain, nightly.id, active=False)
        ended = wait_until(lambda: in_state(team, "retrain", "COMPLETED", "FAILED", "CRASHED"))
    assert {run["state_type"] for run in ended} == {"COMPLETED"}
    assert all(run["auto_scheduled"] for run in ended)
    transfers = runs_of(team, "transfer")
    skipped = {each["parameters"]["target"] for each in transfers if each["state_name"] == "Skipped"}
    assert skipped == {"moods", "tones"}
    assert not Path("turns.txt").exists()  # no stage was run
    shown = {one["key"]: str(one["data"]) for one in ask(team, "artifacts/filter")}
    assert shown["retrain-summary"].count("nothing changed since 2026-11-24 02:00: same data digest, code, par") >= 2
    assert "nothing changed since" in shown["moods-estimate"]


def processes_of(run):
    """Return the processes of this machine that are at work for a run, by what their environment says."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if run in (process / "environ").read_bytes().decode(errors="replace"):
                found.append(process.name)
        except OSError:  # ended just now, or another user's
            continue
    return found


def test_a_run_that_waits_for_a_person_has_no_process_and_is_started_anew_by_the_answer(team):
    params, fail = Path("params.yaml"), Path("fail.json")
    before = params.read_text()
    entry = {"source": "words", "problem": "text-classification", "data": {"path": "data/hues.csv"}, "study": {}}
    hues = f"  hues: {json.dumps(entry | {'retraining': {'choice': 'ask'}})}"
    params.write_text(before.replace("targets:\n", f"targets:\n{hues}\n", 1))  # of which there is no study yet
    shutil.copy("data/moods.csv", "data/hues.csv")
    fail.write_text('["pretrain@words"]')
    (deployment,) = ask(team, "deployments/filter", deployments={"name": {"any_": ["retrain"]}})
    about = {"parameters": {"targets": ["hues"]}, "state": {"type": "SCHEDULED"}}
    nightly = ask(team, f"deployments/{deployment['id']}/create_flow_run", **about)["id"]

    def now(run):
        return httpx.get(f"{team}/flow_runs/{run}", timeout=SECONDS).json()

    with worker("gpu"):
        with worker("light"):
            wait_until(lambda: now(nightly)["state_type"] in ("FAILED", "CRASHED", "COMPLETED"))  # it waits for nobody
        (run,) = [each["id"] for each in runs_of(team, "transfer") if each["parameters"]["target"] == "hues"]
        assert [now(each)["state_name"] for each in (nightly, run)] == ["Completed", "Suspended"]
        wait_until(lambda: not processes_of(run))
        assert ask(team, f"flow_runs/{run}/resume", run_input={"train": True, "reason": "yes"})["status"] == "ACCEPT"
        wait_until(lambda: now(run)["state_type"] in ("FAILED", "CRASHED", "COMPLETED"))
    assert "pretrain@words: two bad rows" in now(run)["state"]["message"]
    (shown,) = [str(one["data"]) for one in ask(team, "artifacts/filter") if one["flow_run_id"] == nightly]
    assert "it waits for a person: Resume in the dashboard, within 12 h" in shown
    due = [each for each in runs_of(team, "reconcile") if each["state_type"] == "SCHEDULED"]
    assert len(due) == 1  # it looks when the time for an answer is over
    params.write_text(before)
    fail.write_text("[]")


def emit(*words):
    command = [sys.executable, "-m", "flows.cli", "emit", "data.arrived", *words]
    return subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, check=False)


def post(url, event, payload):
    resource = {"prefect.resource.id": "graft.target.tones"}
    about = {"occurred": datetime.now(UTC).isoformat(), "id": "6a2a1c1e-0000-4000-8000-00000000000a"}
    response = httpx.post(
        f"{url}/events", json=[{"event": event, "resource": resource, "payload": payload, **about}], timeout=SECONDS
    )
    response.raise_for_status()


def test_an_event_starts_a_retraining_of_the_target_that_it_names(team):
    before = {run["id"] for run in runs_of(team, "retrain")}

    def asked_for():
        new = [run for run in runs_of(team, "retrain") if run["id"] not in before and not run["auto_scheduled"]]
        return sorted(run["parameters"].get("targets") for run in new)

    assert emit("--target", "moods").returncode == 0
    wait_until(lambda: ["moods"] in asked_for())
    post(team, "graft/drift.found", {"target": "tones"})
    wait_until(lambda: ["tones"] in asked_for())
    assert emit().returncode == 0
    wait_until(lambda: [] in asked_for())
    assert asked_for() == [[], ["moods"], ["tones"]]


def test_an_event_about_a_target_that_is_not_there_is_refused_before_it_is_sent(team):
    result = emit("--target", "mods")
    assert result.returncode == 2
    assert "did you mean 'moods'?" in result.stderr


def test_deploying_again_changes_nothing(team):
    from flows.deploying import deploy_all

    def known():
        paths = ("deployments/filter", "automations/filter", "v2/concurrency_limits/filter")
        return [sorted(one["name"] for one in ask(team, path)) for path in paths]

    before = known()
    deploy_all(lambda line: None)
    assert known() == before
    assert {"retrain", "transfer", "watch"} <= set(before[0])
    assert {"graft: new data starts a retraining", "graft: drift starts a retraining"} <= set(before[1])


def test_people_are_told_of_decisions_by_a_block_and_no_more_when_that_is_taken_back(team, monkeypatch):
    """A webhook on loopback stands for Slack, mail and the like, which are blocks of the same kind."""
    from prefect.blocks.notifications import CustomWebhookNotificationBlock

    heard = Heard()
    heard.start()
    block = CustomWebhookNotificationBlock(
        name="team", url=f"http://127.0.0.1:{heard.port}/", method="POST", json_data={"text": "{{body}}"}
    )
    block.save("team", overwrite=True)
    deploy_with(monkeypatch, "custom-webhook/team")
    event = {
        "event": "graft/model.decided",
        "occurred": datetime.now(UTC).isoformat(),
        "id": str(uuid4()),
        "resource": {"prefect.resource.id": "graft.target.moods"},
        "payload": {"sentence": "moods@3 is champion"},
    }
    httpx.post(f"{team}/events", json=[event], timeout=SECONDS).raise_for_status()
    wait_until(lambda: any("moods@3 is champion" in said for said in heard.said))
    deploy_with(monkeypatch, "")
    names = {one["name"] for one in ask(team, "automations/filter")}
    assert not {name for name in names if name.endswith("are told")}
    heard.stop()


def test_a_block_that_is_not_there_is_named(team, monkeypatch):
    with pytest.raises(BadInput, match=r"(?s)slack-webhook/nobody.*no such block.*prefect block ls"):
        deploy_with(monkeypatch, "slack-webhook/nobody")
    deploy_with(monkeypatch, "")


def deploy_with(monkeypatch, block):
    from flows.deploying import deploy_all

    monkeypatch.setenv("GRAFT_NOTIFY", block)
    settings.cache_clear()
    deploy_all(lambda line: None)


class Heard(Thread):
    """A webhook's other end."""

    def __init__(self):
        super().__init__(daemon=True)
        self.said = said = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                said.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port

    def run(self):
        self.server.serve_forever()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
