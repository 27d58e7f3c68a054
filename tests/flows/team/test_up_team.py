"""The whole stack by its command: what it starts, who gets in, what it leaves behind."""

import json
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest
from ruamel.yaml import YAML

from flows.serving import POINTER, free_port
from tests.flows.team.test_postgres import there

ROOT = Path(__file__).parents[3]
DEPLOYED = [one["name"] for one in YAML(typ="safe").load((ROOT / "prefect.yaml").read_text())["deployments"]]


@pytest.fixture(scope="module")
def folder(checkout_template, tmp_path_factory):
    """A committed checkout with our flows."""
    folder = tmp_path_factory.mktemp("team") / "checkout"
    shutil.copytree(checkout_template, folder)
    for name in ("flows", "tasks", "graft"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "prefect.yaml", folder)
    with (folder / ".gitignore").open("a") as ignored:
        ignored.write("/prefect.toml\n/registry/\n__pycache__/\n")
    who = ["-c", "user.name=a", "-c", "user.email=a@localhost"]
    subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
    subprocess.run(["git", *who, "commit", "-qm", "one"], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def stack(folder):
    """A stack that is up, with the lines that it said until then."""
    port = free_port()
    options = ["--port", str(port), "--workers", "1", *([] if there else ["--database", "sqlite"])]
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "up", "--team", *options],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("end "):
            break
    yield process, port, lines
    below = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.terminate()
    process.communicate()
    assert process.returncode == 0
    assert not [child for child in below if child.is_running()]
    assert not (folder / POINTER).exists()


def call(port, path, login=None, **headers):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api{path}", headers=headers)
    if login:
        from base64 import b64encode

        request.add_header("Authorization", f"Basic {b64encode(login.encode()).decode()}")
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def secrets_of(folder):
    return json.loads((folder / ".graft" / "team" / "secrets.json").read_text())


def test_it_says_where_it_is_and_what_it_made_known(stack):
    text = "".join(stack[2])
    assert re.search(rf"deployments +{', '.join(DEPLOYED)}\n", text)
    assert f"dashboard  http://127.0.0.1:{stack[1]}" in text


def test_nobody_gets_in_without_the_login(stack, folder):
    assert call(stack[1], "/admin/version")[0] == 401
    assert call(stack[1], "/admin/version", "graft:guess")[0] == 401
    assert call(stack[1], "/admin/version", secrets_of(folder)["server"])[0] == 200


def test_pages_of_other_sites_may_not_read_it(stack, folder):
    status, headers, _ = call(stack[1], "/admin/version", secrets_of(folder)["server"], Origin="http://evil.example")
    assert status == 200
    assert headers["Access-Control-Allow-Origin"] is None


def test_no_secret_is_in_a_log_or_on_a_command_line(stack, folder):
    said = "".join(stack[2])
    said += "".join(path.read_text(errors="replace") for path in (folder / ".graft" / "team").glob("*.log"))
    for process in psutil.Process(stack[0].pid).children(recursive=True):
        said += " ".join(process.cmdline())
    for name, secret in secrets_of(folder).items():
        assert secret not in said, name
        assert secret.rpartition(":")[2] not in said, name


def test_files_with_secrets_are_their_owners_alone(stack, folder):
    for path in (folder / POINTER, folder / ".graft" / "team" / "secrets.json"):
        assert path.stat().st_mode & 0o077 == 0


def test_deploying_again_makes_nothing_twice(stack, folder):
    for _ in range(2):
        command = [sys.executable, "-m", "flows.cli", "deploy"]
        result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
    code = """
from prefect.client.orchestration import get_client
with get_client(sync_client=True) as client:
    print(len(client.read_deployments()), len(client.read_work_pools()), len(client.read_automations()))
    print(sorted(limit.name for limit in client.read_global_concurrency_limits(limit=100)))
"""
    found = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True).stdout
    counts, limits = found.splitlines()
    assert counts.split()[:2] == [str(len(DEPLOYED)), "2"]
    assert limits == str(["stage check-source@words", "stage pretrain@words", "target moods", "target tones"])


def test_a_second_one_in_the_same_checkout_is_refused(stack, folder):
    command = [sys.executable, "-m", "flows.cli", "up", "--team", "--port", str(free_port())]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "runs in this checkout already" in result.stderr


def test_without_a_commit_there_is_nothing_to_clone(checkout):
    command = [sys.executable, "-m", "flows.cli", "up", "--team", "--port", str(free_port())]
    result = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "no git commit" in result.stderr
