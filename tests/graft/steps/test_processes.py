"""Pretraining in two processes, as `accelerate launch` starts them, on CPUs and with gloo."""

import csv
import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from tests.conftest import BERT
from tests.graft.steps.test_killed import start, weights
from tests.masks import disc_table
from tests.networks import VIT

STILL = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
NETWORK = {key: value for key, value in BERT.items() if key != "vocab_size"}
PARAMS = f"""
sources:
  still:
    problem: masked-language-modelling
    data: {{path: data/words.csv}}
    backbone: {{config: {json.dumps(NETWORK | STILL)}}}
    pretraining: {{epochs: 6, patience: 6, batch_size: 8, max_tokens: 16, vocabulary_size: 150}}
  words:
    problem: masked-language-modelling
    data: {{path: data/words.csv}}
    backbone: {{config: {json.dumps(NETWORK)}}}
    pretraining: {{epochs: 20, patience: 20, batch_size: 8, max_tokens: 16, vocabulary_size: 150}}
  views:
    problem: contrastive-images
    data: {{path: data/discs.parquet}}
    backbone: {{config: {json.dumps(VIT)}}}
    pretraining: {{epochs: 4, patience: 4, batch_size: 7, image_size: 16}}
  lost:
    problem: contrastive-images
    data: {{path: data/nowhere.parquet}}
    backbone: {{config: {json.dumps(VIT)}}}
    pretraining: {{image_size: 16}}
targets: {{}}
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "data").mkdir()
    letters = np.random.default_rng(0).integers(97, 123, (80, 6, 5))
    texts = [" ".join("".join(map(chr, word)) for word in text[: 1 + n % 6]) for n, text in enumerate(letters)]
    (tmp_path / "data" / "words.csv").write_text("\n".join(["text", *texts]) + "\n")
    pq.write_table(disc_table(40).select(["image"]), tmp_path / "data" / "discs.parquet")
    (tmp_path / "params.yaml").write_text(PARAMS)
    return tmp_path


def pretrain(project, name, processes=1, seconds="0"):
    """Start a pretraining in a copy of the project."""
    return start(project, "pretrain", name, GRAFT_PROCESSES=str(processes), GRAFT_CHECKPOINT_SECONDS=seconds)


def end(process):
    _, said = process.communicate(timeout=240)
    return process.returncode, said


def copy(project, name):
    place = project.with_name(f"{project.name}-{name}")
    place.mkdir()
    (place / "data").symlink_to(project / "data")
    (place / "params.yaml").write_text(PARAMS)
    return place


def curve(project, name):
    with (project / "checkpoints" / name / "curves.csv").open(newline="") as stream:
        return [[float(number) for number in row.values()] for row in csv.DictReader(stream)]


def facts(project, name):
    return json.loads((project / "checkpoints" / name / "source.json").read_text())


def descendants(pid):
    """Return the processes below one, parents before their children."""
    try:
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [each for child in children for each in (child, *descendants(child))]


def members(pid):
    """Return the processes below one that train, by rank."""
    found = {}
    for each in descendants(pid):
        told = dict(one.split("=", 1) for one in read(each, "environ") if "=" in one)
        if "graft.steps.member" in read(each, "cmdline") and "RANK" in told:
            found[int(told["RANK"])] = each
    return found


def read(pid, what):
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes().decode().split("\0")
    except OSError:
        return []


def lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(true, seconds=60):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def in_the_middle(process, project, name, done=20):
    """Return the step's descendants and those that train, once it has got so far."""
    progress = project / ".graft" / "progress" / f"pretrain@{name}.json"

    def far():
        assert process.poll() is None, process.stderr.read()
        return progress.exists() and json.loads(progress.read_text())["done"] >= done

    until(far, 200)
    return descendants(process.pid), members(process.pid)


@pytest.mark.parametrize("name", ["still", "views"])
def test_two_processes_learn_what_one_learns(project, name):
    other = copy(project, "two")
    for place, count in ((project, 1), (other, 2)):
        code, said = end(pretrain(place, name, count, "1000"))
        assert code == 0, said
    assert (facts(project, name)["processes"], facts(other, name)["processes"]) == (1, 2)
    assert facts(other, name)["rows_at_once"] == 4
    assert f"pretrain {name}: in 2 processes" in said
    assert said.count(f"pretrain {name}: test loss") == 1
    np.testing.assert_allclose(curve(other, name), curve(project, name), rtol=1e-5)
    ours, theirs = (load_file(place / "checkpoints" / name / "model.safetensors") for place in (other, project))
    for key, value in theirs.items():
        np.testing.assert_allclose(ours[key], value, rtol=1e-4, atol=1e-5)


def test_a_process_that_is_killed_ends_the_others_and_the_step_goes_on_to_the_same_bits(project):
    other = copy(project, "broken")
    assert end(pretrain(project, "words", 2, "1000"))[0] == 0
    process = pretrain(other, "words", 2)
    below, training = in_the_middle(process, other, "words")
    os.kill(training[1], signal.SIGKILL)
    code, said = end(process)
    assert code == 1
    assert said.count("process 2 of 2 was ended by signal 9") == 1
    assert "goes on from its last checkpoint" in said
    assert "Traceback" not in said
    assert not [pid for pid in below if lives(pid)]
    outcome = json.loads((other / ".graft" / "outcomes" / "pretrain@words.json").read_text())
    assert (outcome["code"], outcome["kind"]) == (1, "Killed")
    assert not (other / "checkpoints").exists()
    code, said = end(pretrain(other, "words", 2))
    assert code == 0, said
    assert said.count("going on from step") == 1
    assert curve(other, "words") == curve(project, "words")
    assert weights(other / "checkpoints") == weights(project / "checkpoints")


@pytest.mark.parametrize(
    ("who", "number", "code", "words"),
    [
        ("step", signal.SIGTERM, 75, "stopped at step"),
        ("launcher", signal.SIGKILL, 1, "the launcher of its 2 processes was killed"),
        ("step", signal.SIGKILL, -9, ""),
    ],
)
def test_whoever_is_ended_no_process_stays_and_one_process_goes_on(project, who, number, code, words):
    process = pretrain(project, "words", 2, "1000" if number == signal.SIGTERM else "0")
    below, _ = in_the_middle(process, project, "words")
    os.kill(process.pid if who == "step" else below[0], number)
    found, said = end(process)
    assert (found, said.count(words) if words else 1) == (code, 1)
    assert "Traceback" not in said
    until(lambda: not [pid for pid in below if lives(pid)], 40)
    found, said = end(pretrain(project, "words", 1))
    assert found == 0
    assert "going on from step" in said
    assert facts(project, "words")["processes"] == 1


def test_an_error_that_all_processes_meet_is_said_once(project):
    code, said = end(pretrain(project, "lost", 2))
    assert code == 2
    assert said.count("data/nowhere.parquet") == 1
    assert "Traceback" not in said


def test_more_processes_than_rows_are_refused_before_anything_starts(project):
    code, said = end(pretrain(project, "views", 8))
    assert code == 2
    assert "sources.views.pretraining: batches of 7 rows cannot be divided among 8 processes" in said
