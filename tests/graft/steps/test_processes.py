"""Pretraining in two processes, as `accelerate launch` starts them, on CPUs and with gloo."""

import csv
import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.conftest import BERT
from tests.graft.steps.test_killed import start, weights

NETWORK = {key: value for key, value in BERT.items() if key != "vocab_size"}
STILL = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
PARAMS = f"""
sources:
  words:
    problem: masked-language-modelling
    data: {{path: data/words.csv}}
    backbone: {{config: {json.dumps(NETWORK | STILL)}}}
    pretraining: {{epochs: 10, patience: 10, batch_size: 8, max_tokens: 16, vocabulary_size: 150}}
  lost:
    problem: masked-language-modelling
    data: {{path: data/nowhere.csv}}
    backbone: {{config: {json.dumps(NETWORK)}}}
    pretraining: {{batch_size: 7, max_tokens: 16}}
targets: {{}}
"""
STARTED = []


@pytest.fixture
def project(tmp_path):
    (tmp_path / "data").mkdir()
    letters = np.random.default_rng(0).integers(97, 123, (80, 6, 5))
    texts = [" ".join("".join(map(chr, word)) for word in text[: 1 + n % 6]) for n, text in enumerate(letters)]
    (tmp_path / "data" / "words.csv").write_text("\n".join(["text", *texts]) + "\n")
    (tmp_path / "params.yaml").write_text(PARAMS)
    yield tmp_path
    while STARTED:  # of a test that failed half-way
        process = STARTED.pop()
        if process.poll() is None:
            process.kill()
            process.communicate()


def pretrain(project, processes, seconds="0", name="words"):
    step = start(project, "pretrain", name, GRAFT_PROCESSES=str(processes), GRAFT_CHECKPOINT_SECONDS=seconds)
    STARTED.append(step)
    return step


def end(process):
    _, said = process.communicate(timeout=600)
    return process.returncode, said


def copy(project, name):
    place = project.with_name(f"{project.name}-{name}")
    place.mkdir()
    (place / "data").symlink_to(project / "data")
    (place / "params.yaml").write_text(PARAMS)
    return place


def curve(project):
    with (project / "checkpoints" / "words" / "curves.csv").open(newline="") as stream:
        return [[float(number) for number in row.values()] for row in csv.DictReader(stream)]


def facts(project):
    return json.loads((project / "checkpoints" / "words" / "source.json").read_text())


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


@pytest.mark.timeout(1800)  # seven steps, most of them five processes
def test_two_processes_learn_what_one_learns_whoever_is_killed_and_no_process_stays(project):
    one, two = copy(project, "one"), copy(project, "two")
    for place, count in ((one, 1), (two, 2)):
        code, said = end(pretrain(place, count, "1000"))
        assert code == 0, said
    assert (facts(one)["processes"], facts(two)["processes"], facts(two)["rows_at_once"]) == (1, 2, 4)
    assert said.count("pretrain words: in 2 processes") == said.count("pretrain words: test loss") == 1
    np.testing.assert_allclose(curve(two), curve(one), rtol=1e-5)
    ours, theirs = (load_file(place / "checkpoints" / "words" / "model.safetensors") for place in (two, one))
    for key, value in theirs.items():
        np.testing.assert_allclose(ours[key], value, rtol=1e-4, atol=1e-5)
    for who, number, done, code, words in (
        ("process", signal.SIGKILL, 10, 1, "process 2 of 2 was ended by signal 9"),
        ("launcher", signal.SIGKILL, 25, 1, "the launcher of its 2 processes was killed from outside (signal 9)"),
        ("step", signal.SIGTERM, 40, 75, "stopped at step"),
        ("step", signal.SIGKILL, 55, -9, ""),
    ):
        found, said, below = ended(project, who, number, done)
        assert (found, "Traceback" in said) == (code, False), said
        until(lambda left=below: not [pid for pid in left if lives(pid)], 0 if words else 100)
        assert said.count("going on from step") == (who != "process")
        assert not words or said.count(words) == 1
        assert not (project / "checkpoints").exists()
        if code == 1:
            outcome = json.loads((project / ".graft" / "outcomes" / "pretrain@words.json").read_text())
            assert (outcome["code"], outcome["kind"]) == (1, "Killed")
            assert said.count("The same command goes on from its last checkpoint.") == 1
    code, said = end(pretrain(project, 2, "1000"))
    assert code == 0, said
    assert curve(project) == curve(two)
    assert weights(project / "checkpoints") == weights(two / "checkpoints")


def ended(project, who, number, done):
    """Start a pretraining and send somebody a signal once it has got so far; return how it ended, and what it began."""
    progress = project / ".graft" / "progress" / "pretrain@words.json"
    progress.unlink(missing_ok=True)
    process = pretrain(project, 2)

    def far():
        assert process.poll() is None, process.stderr.read()
        return progress.exists() and json.loads(progress.read_text())["done"] >= done

    until(far, 500)
    below, training = descendants(process.pid), members(process.pid)
    os.kill({"process": training.get(1), "launcher": below[0], "step": process.pid}[who], number)
    return *end(process), below


def test_an_error_that_all_processes_meet_is_said_once(project):
    code, said = end(pretrain(project, 2, name="lost"))
    assert code == 2
    assert said.count("data/nowhere.csv") == 1
    assert "Traceback" not in said


def test_more_processes_than_rows_are_refused_before_anything_starts(project):
    code, said = end(pretrain(project, 8, name="lost"))
    assert code == 2
    assert "sources.lost.pretraining: batches of 7 rows cannot be divided among 8 processes" in said
