import subprocess
import sys

import pytest

from graft.catalog import Shift, load
from tasks.pipeline import plan, reproduce, stale
from tasks.shifts import changed_shifts

PARAMS = """
sources:
  words:
    problem: text-classification
    data: {path: data/words.csv}
    backbone: {config: {model_type: bert}}
targets:
  moods:
    source: words
    problem: text-classification
    data: {path: data/moods.csv}
    study: {}
    evaluation: {shifts: {elsewhere: {path: data/elsewhere.csv}}}
"""
# Writes what the check writes of shift sets, and how often it ran.
STEP = (
    f"""
ASKED = {Shift(path="data/elsewhere.csv").model_dump(mode="json")}
"""
    + """
import hashlib, json, pathlib
files = hashlib.sha256(pathlib.Path("data/elsewhere.csv").read_bytes()).hexdigest()
folder = pathlib.Path("checks/shifts/moods")
folder.mkdir(parents=True, exist_ok=True)
(folder / "shifts.json").write_text(json.dumps({"elsewhere": {"files": files, "asked": ASKED}}))
with open("turns.txt", "a") as turns:
    turns.write("turn\\n")
"""
)
PIPELINE = """
stages:
  check-target:
    foreach: ${targets}
    do:
      cmd: python step.py
      params: ["targets.${key}.data"]
      deps: [step.py, "${item.data.path}"]
      outs: ["checks/shifts/${key}"]
"""


@pytest.fixture
def checkout(repo):
    """A repository whose check reads a shift set that no stage lists as a dependency."""
    (repo / "data").mkdir()
    for name in ("words", "moods", "elsewhere"):
        (repo / "data" / f"{name}.csv").write_text(f"text,label\n{name},x\n")
    (repo / "params.yaml").write_text(PARAMS)
    (repo / "dvc.yaml").write_text(PIPELINE.replace("python step.py", f"{sys.executable} step.py"))
    (repo / "step.py").write_text(STEP)
    return repo


def test_other_files_in_a_shift_set_are_noticed_although_dvc_does_not(checkout):
    stage = "check-target@moods"
    assert changed_shifts("moods", load()) == []
    assert reproduce(stage, lambda line: None).action == "ran"
    assert reproduce(stage, lambda line: None).action == "skipped"
    (checkout / "data" / "elsewhere.csv").write_text("text,label\nchanged,x\n")
    assert stale([stage]) == {}
    assert changed_shifts("moods", load()) == ["elsewhere"]
    said = []
    assert reproduce(stage, said.append).action == "ran"
    assert any("elsewhere" in line for line in said)
    assert changed_shifts("moods", load()) == []
    assert (checkout / "turns.txt").read_text() == "turn\n" * 2


def test_a_new_shift_set_is_noticed_although_dvc_does_not(checkout):
    stage = "check-target@moods"
    reproduce(stage, lambda line: None)
    params = checkout / "params.yaml"
    params.write_text(params.read_text().replace("{shifts: {", "{shifts: {further: {path: data/words.csv}, "))
    assert stale([stage]) == {}
    assert changed_shifts("moods", load()) == ["further"]


def test_a_result_of_the_run_cache_for_other_files_is_not_taken(checkout):
    stage, path = "check-target@moods", checkout / "data" / "elsewhere.csv"
    reproduce(stage, lambda line: None)
    path.write_text("text,label\nchanged,x\n")
    (checkout / "dvc.lock").unlink()
    subprocess.run(["rm", "-r", "checks"], cwd=checkout, check=True)
    assert reproduce(stage, lambda line: None).action == "ran"
    assert changed_shifts("moods", load()) == []


def test_a_shift_set_that_is_not_here_changes_nothing(checkout):
    reproduce("check-target@moods", lambda line: None)
    (checkout / "data" / "elsewhere.csv").unlink()
    assert changed_shifts("moods", load()) == []


def test_the_data_of_shift_sets_are_brought_with_the_others(checkout):
    (checkout / "data" / "elsewhere.csv.dvc").write_text("outs: []\n")
    assert plan("moods", load()).tracked == ("data/elsewhere.csv.dvc",)
