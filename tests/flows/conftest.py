import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PARAMS = """\
# The team's catalogue.
sources:
  words:
    problem: masked-language-modelling  # no labels needed
    data: {path: data/words}
    backbone: {config: {model_type: bert, hidden_size: 8}}

targets:
  # the first one
  moods:
    source: words
    problem: text-classification
    data: {path: data/moods.csv}
    study: {}
  tones:
    source: words
    problem: text-classification
    data: {path: data/tones.csv}
    study: {}
# the end
"""

# Fails where fail.json says so; every stage that gets its turn is written down.
STEP = """
import json, pathlib, sys
stage = sys.argv[1]
with open("turns.txt", "a") as turns:
    turns.write(stage + "\\n")
fail = json.loads(pathlib.Path("fail.json").read_text())
code = 2 if stage in fail else 0
outcome = {"stage": stage, "code": code, "kind": "DataError" if code else "done", "message": f"{stage}: two bad rows"}
path = pathlib.Path(".graft/outcomes", stage + ".json")
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text(json.dumps(outcome))
if not code:
    pathlib.Path("out").mkdir(exist_ok=True)
    pathlib.Path("out", stage).write_text(stage)
sys.exit(code)
"""


def stage(step: str, entries: str) -> dict:
    name = f"{step}@${{key}}"
    body = {"cmd": f"python step.py {name}", "deps": ["step.py"], "outs": [f"out/{name}"]}
    return {"foreach": f"${{{entries}}}", "do": body}


PIPELINE = {
    "stages": {
        "check-source": stage("check-source", "sources"),
        "check-target": stage("check-target", "targets"),
        "pretrain": stage("pretrain", "sources"),
        "adapt": stage("adapt", "targets"),
        "evaluate": stage("evaluate", "targets"),
    }
}


@pytest.fixture(scope="session")
def checkout_template(tmp_path_factory):
    """A checkout with a catalogue and the stages' names, whose steps are one small program; made once."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / "params.yaml").write_text(PARAMS)
    (folder / "dvc.yaml").write_text(json.dumps(PIPELINE))
    (folder / "step.py").write_text(STEP)
    (folder / "fail.json").write_text("[]")
    (folder / ".gitignore").write_text("/out/\n/.graft/\n")
    (folder / "data" / "words").mkdir(parents=True)
    for name in ("moods", "tones"):
        (folder / "data" / f"{name}.csv").write_text("text,label\n")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=folder, check=True)
    (folder / ".dvc" / "config").write_text("[core]\n    analytics = false\n    check_update = false\n")
    return folder


@pytest.fixture
def checkout(checkout_template, tmp_path, monkeypatch) -> Path:
    """A copy of the checkout, as the working directory."""
    folder = shutil.copytree(checkout_template, tmp_path / "checkout")
    monkeypatch.chdir(folder)
    return folder
