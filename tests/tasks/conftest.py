import json
import shutil
import subprocess
import sys

import pytest

PIPELINE = """
stages:
  make:
    cmd: python step.py
    deps: [step.py, input.txt]
    outs: [out.txt]
"""

# Ends as the next entry of plan.json says, and leaves the word about it that a step leaves.
STEP = """
import json, os, pathlib, sys, time
plan = pathlib.Path("plan.json")
endings = json.loads(plan.read_text()) if plan.exists() else []
kind, code = endings.pop(0) if endings else ("done", 0)
plan.write_text(json.dumps(endings))
with open("attempts.txt", "a") as attempts:
    attempts.write(kind + "\\n")
print("working", flush=True)
outcome = {"stage": "make", "code": code, "kind": kind, "message": f"{kind} happened", "seconds": 0.1}
for folder in ("outcomes", "progress"):
    pathlib.Path(".graft", folder).mkdir(parents=True, exist_ok=True)
state = {"stage": "make", "done": 3, "total": 4, "message": "loss 0.5"}
pathlib.Path(".graft/progress/make.json").write_text(json.dumps(state))
time.sleep(float(os.environ.get("STEP_SECONDS", "0")))
if kind == "killed":
    os.kill(os.getpid(), 9)
if kind != "silent":
    pathlib.Path(".graft/outcomes/make.json").write_text(json.dumps(outcome))
if not code:
    pathlib.Path("out.txt").write_text(pathlib.Path("input.txt").read_text().upper())
sys.exit(code)
"""


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """A git and DVC repository of one stage, made once and copied for each test."""
    folder = tmp_path_factory.mktemp("template")
    (folder / ".gitignore").write_text("/out.txt\n/.graft/\n/attempts.txt\n/plan.json\n")
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "step.py").write_text(STEP)
    (folder / "input.txt").write_text("hello")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=folder, check=True)
    (folder / ".dvc" / "config").write_text("[core]\n    analytics = false\n    check_update = false\n")
    return folder


@pytest.fixture
def repo(template, tmp_path, monkeypatch):
    """The throw-away repository, as the working directory; `endings` says how the stage's attempts end."""
    folder = shutil.copytree(template, tmp_path / "repo")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def endings(repo):
    """Say how the stage's next attempts end: pairs of a kind and an exit code."""
    return lambda *plan: (repo / "plan.json").write_text(json.dumps(plan))


@pytest.fixture
def attempts(repo):
    """Return how the stage's attempts so far ended."""
    path = repo / "attempts.txt"
    return lambda: path.read_text().split() if path.exists() else []
