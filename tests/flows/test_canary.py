"""Secrets that nobody may find: a transfer by a worker with store, login and webhook, and all that came of it."""

import base64
import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.serving import free_port, serving
from graft.storage import S3Store
from tasks.children import end_guarded, start_guarded
from tests.conftest import RESNET
from tests.flows.test_triggers import Heard
from tests.graft.steps.test_killed import png
from tests.graft.storage.conftest import client, moto  # noqa: F401 -- a fixture
from tests.served import until

ROOT = Path(__file__).parents[2]
CATALOGUE = {
    "sources": {
        "s": {
            "problem": "image-classification",
            "data": {"path": "data/s"},
            "backbone": {"config": RESNET},
            "pretraining": {"epochs": 2, "batch_size": 8, "image_size": 8},
        }
    },
    "targets": {
        "t": {
            "source": "s",
            "problem": "image-classification",
            "data": {"path": "data/t", "labels_per_class": 4},
            "study": {"strategies": ["linear-probe"], "seeds": 2, "folds": 2, "budget_steps": 6, "resamples": 100},
            "evaluation": {"robustness_rows": 0},
            "gates": {"verdicts": ["helps", "neutral", "hurts", "cannot-tell"], "min_gain": -1.0},
        }
    },
}
SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIACANARYKEY0000001",
    "AWS_SECRET_ACCESS_KEY": "canary/store+secret/0002",
    "AWS_SESSION_TOKEN": "canary-session-token-0003",
    "PREFECT_API_AUTH_STRING": "graft:canary-login-0004",
    "POSTGRES_PASSWORD": "canary-database-0005",
    "HF_TOKEN": "hf_canary_token_0006",
    "webhook": "canary-webhook-0007",
    "origin": "canary-git-token-0008",
}
"""Every secret that a worker or a server is given, by its variable; the last two are parts of addresses."""
BUCKET = "canary"
SECONDS = 1200  # what a busy machine may take


def needles(name):
    """Return a secret and the forms in which it may be written elsewhere."""
    secret = SECRETS[name]
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
    return {secret, secret.rpartition(":")[2], quote(secret, safe=""), encoded, json.dumps(secret).strip('"')}


def find(name, corpus):
    """Return where a secret is."""
    sought = [needle.encode() for needle in needles(name)]
    return sorted(where for where, content in corpus.items() if any(needle in content for needle in sought))


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A committed repository with our code, our stages and a small catalogue."""
    folder = tmp_path_factory.mktemp("canary") / "project"
    for name in ("flows", "tasks", "graft"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "prefect.yaml", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    rng = np.random.default_rng(0)
    for name, shades in (("s", (40, 120, 200)), ("t", (80, 160))):
        rows = [(rng.integers(0, 40, (8, 8)) + shade, shade) for shade in shades for _ in range(20)]
        images = [{"bytes": png(pixels), "path": None} for pixels, _ in rows]
        (folder / "data" / name).mkdir(parents=True)
        table = pa.table({"image": images, "label": [str(shade) for _, shade in rows]})
        pq.write_table(table, folder / "data" / name / "rows.parquet")
    (folder / "params.yaml").write_text(json.dumps(CATALOGUE, indent=1))
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=folder, check=True)
    who = ["-c", "user.name=a", "-c", "user.email=a@localhost"]
    subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
    subprocess.run(["git", *who, "commit", "-qm", "one"], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def corpus(project, moto):  # noqa: F811
    """Run a whole transfer on a worker, and a second run that cannot begin; return all that came of them, by place."""
    heard, found = Heard(), {}
    heard.start()
    with ExitStack() as stack:
        stack.callback(heard.stop)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.chdir(project)
        for name, secret in SECRETS.items():
            if name.isupper():
                patch.setenv(name, secret)
        store = f"s3://{BUCKET}"
        places = {"REGISTRY": f"{store}/registry", "REMOTE": f"{store}/dvc", "CHECKPOINTS": f"{store}/checkpoints"}
        for name, place in places.items():
            patch.setenv(f"GRAFT_{name}", place)
        patch.setenv("GRAFT_CHECKPOINT_SECONDS", "0")
        patch.setenv("AWS_ENDPOINT_URL_S3", moto)
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("PREFECT_HOME", str(project / ".graft" / "prefect"))
        patch.setenv("PREFECT_API_URL", "")
        patch.setenv("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
        patch.setenv("PREFECT_SERVER_API_AUTH_STRING", SECRETS["PREFECT_API_AUTH_STRING"])
        bucket = client(moto)
        bucket.create_bucket(Bucket=BUCKET)
        url = stack.enter_context(serving(free_port(), dashboard=False))
        api = stack.enter_context(Api(url))
        deploy(heard.port)
        with working(project, str(project)):
            identity = api.start("t")
            until(lambda: api.ended(identity, found), SECONDS)
            state = api.state(identity)
            assert state["type"] == "COMPLETED", state["message"]
            until(lambda: heard.said, SECONDS)  # the decision went to the webhook
        with working(project, f"http://ann:{SECRETS['origin']}@127.0.0.1:{free_port()}/graft.git", "elsewhere"):
            wrong = api.start("t")
            until(lambda: api.ended(wrong, found), SECONDS)
        found |= api.read() | {f"file {path}": path.read_bytes() for path in files(project)}
        objects = S3Store(BUCKET, client=bucket)
        found |= {f"object {key}": objects.get(key) for key in objects.list()}
    found |= {f"file {path}": path.read_bytes() for path in files(project)}  # the server has written all by now
    return found


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


def deploy(port):
    """Make the webhook a block of Prefect, and everything else known to the server."""
    code = f"""
from prefect.blocks.notifications import CustomWebhookNotificationBlock as Block
about = {{"method": "POST", "json_data": {{"text": "{{{{body}}}}"}}, "secrets": {{"token": "{SECRETS["webhook"]}"}}}}
Block(name="team", url="http://127.0.0.1:{port}/{{{{token}}}}", **about).save("team")
"""
    for command in ([sys.executable, "-c", code], [sys.executable, "-m", "flows.cli", "deploy"]):
        extra = {"GRAFT_NOTIFY": "custom-webhook/team"}
        done = subprocess.run(command, env=os.environ | extra, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


class working:  # noqa: N801
    """A worker of the pool for as long as the block runs."""

    def __init__(self, project, origin, name="worker"):
        command = [sys.executable, "-m", "prefect", "--no-prompt", "worker", "start", "--pool", "gpu"]
        self.command = [*command, "--type", "process", "--name", name]
        self.extra = {"GRAFT_ORIGIN": origin, "GRAFT_CHECKOUTS": str(project / ".graft" / name)}
        self.log = project / ".graft" / f"{name}.log"

    def __enter__(self):
        with self.log.open("wb") as log:
            extra = {"PREFECT_WORKER_QUERY_SECONDS": "1", **self.extra}
            self.process = start_guarded(self.command, log.fileno(), log.fileno(), extra)

    def __exit__(self, *_):
        end_guarded(self.process)


class Api:
    """What the server knows, asked with the login."""

    def __init__(self, url):
        login = tuple(SECRETS["PREFECT_API_AUTH_STRING"].split(":"))
        self.client = httpx.Client(base_url=url, auth=login, timeout=60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()

    def ask(self, path, **content):
        response = self.client.post(path, json=content)
        response.raise_for_status()
        return response.json()

    def start(self, target):
        (deployment,) = self.ask("/deployments/filter", deployments={"name": {"any_": ["transfer"]}})
        about = {"parameters": {"target": target}, "state": {"type": "SCHEDULED"}}
        return self.ask(f"/deployments/{deployment['id']}/create_flow_run", **about)["id"]

    def state(self, run):
        return self.client.get(f"/flow_runs/{run}").json()["state"]

    def ended(self, run, found):
        """Say whether a run has ended; meanwhile the command lines of its processes are looked at."""
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = process.read_bytes()
            except OSError:  # it has ended
                continue
            # git hands the whole address to a helper of its own; docs/operations.md names the way around
            if (sys.executable.encode() in line or b"graft" in line) and b"remote-http" not in line:
                found[f"command line {line.decode(errors='replace')[:200]}"] = line
        return self.state(run)["type"] in ("COMPLETED", "FAILED", "CRASHED")

    def read(self):
        """Return everything that the dashboard can show."""
        time_range = {"since": "2020-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"}
        found = {"api events": self.ask("/events/filter", filter={"occurred": time_range}, limit=50)}
        while (page := found.get("api events", {}).get("next_page")) and len(found) < 100:
            found[f"api events {len(found)}"] = found["api events"]
            found["api events"] = self.client.get(page).json()
        names = ("flow_runs", "task_runs", "artifacts", "deployments", "automations", "work_pools", "variables")
        for name in (*names, "block_documents", "v2/concurrency_limits", "flows"):
            found[f"api {name}"] = self.ask(f"/{name}/filter")
        for offset in range(0, 2000, 200):
            found[f"api logs {offset}"] = self.ask("/logs/filter", offset=offset, limit=200)
        return {where: json.dumps(content, ensure_ascii=False).encode() for where, content in found.items()}


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_nowhere_in_what_a_run_leaves_or_says(corpus, name):
    assert find(name, corpus) == []


@pytest.mark.timeout(1800)
def test_what_was_looked_at_is_all_of_it(corpus):
    """A look at nothing would find nothing."""
    text = b"\n".join(corpus.values())
    for word in (b"t-summary", b"cannot be cloned", b"t: transfer", b"train_hashes"):
        assert word in text, word
    wanted = ("manifest.json", "dvc.lock", "config.local", "report.html", "metrics.json", "outcomes/adapt@t.json")
    for name in (*wanted, "worker.log", "server.log", "prefect.db", "params.yaml", ".dvc/config"):
        assert any(where.startswith("file ") and where.endswith(name) for where in corpus), name
    objects = [where for where in corpus if where.startswith("object ")]
    for name in ("registry/events/t/", "registry/models/t/", "dvc/"):
        assert any(f"object {name}" in where for where in objects), name
    lines = [where for where in corpus if where.startswith("command line ")]
    assert any("graft.steps" in line for line in lines)
    assert any("api logs" in where and b"adapt" in content for where, content in corpus.items())


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_that_is_somewhere_is_found(name):
    for needle in needles(name):
        corpus = {"file a": b"nothing", "file b": f"key = {needle}\n".encode()}
        assert find(name, corpus) == ["file b"]
