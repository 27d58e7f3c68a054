"""The steps as programs: their exit codes, and `kill -9` in the middle of each that trains."""

import csv
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from graft.storage import LocalStore
from tests.conftest import BERT, RESNET, SPEECH
from tests.networks import GPT2
from tests.sounds import tone, wav

PARAMS = f"""
sources:
  s:
    problem: image-classification
    data: {{path: data/s}}
    backbone: {{config: {json.dumps(RESNET)}}}
    pretraining: {{epochs: 15, patience: 15, batch_size: 8, image_size: 8}}
  words:
    problem: masked-language-modelling
    data: {{path: data/words.csv}}
    backbone: {{config: {json.dumps({key: value for key, value in BERT.items() if key != "vocab_size"})}}}
    pretraining: {{epochs: 15, patience: 15, batch_size: 8, max_tokens: 16, vocabulary_size: 150}}
  clips:
    problem: audio-classification
    data: {{path: data/clips}}
    backbone: {{config: {json.dumps(SPEECH)}}}
    pretraining: {{epochs: 15, patience: 15, batch_size: 8}}
  plays:
    problem: text-generation
    data: {{path: data/words.csv}}
    backbone: {{config: {json.dumps({key: value for key, value in GPT2.items() if not key.endswith("_id")})}}}
    pretraining: {{epochs: 6, patience: 6, batch_size: 8, max_tokens: 16, vocabulary_size: 300}}
targets:
  t:
    source: s
    problem: image-classification
    data: {{path: data/t, labels_per_class: 4}}
    study: {{strategies: [top-1, lp-ft], seeds: 2, folds: 2, budget_steps: 12, batch_size: 4, replay: 0.25}}
"""


PROCESSORS = {
    "s": "preprocessor_config.json",
    "words": "tokenizer.json",
    "clips": "preprocessor_config.json",
    "plays": "tokenizer.json",
}


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    rng = np.random.default_rng(0)
    for name, shades in (("s", (40, 120, 200)), ("t", (80, 160))):
        rows = [(rng.integers(0, 40, (8, 8)) + shade, shade) for shade in shades for _ in range(30)]
        images = [{"bytes": png(pixels), "path": None} for pixels, _ in rows]
        table = pa.table({"image": images, "label": [str(shade) for _, shade in rows]})
        (folder / "data" / name).mkdir(parents=True)
        pq.write_table(table, folder / "data" / name / "rows.parquet")
    letters = rng.integers(97, 123, (80, 6, 5))  # of words at random many pairs are equally common
    texts = [" ".join("".join(map(chr, word)) for word in text) for text in letters]
    (folder / "data" / "words.csv").write_text("\n".join(["text", *texts]) + "\n")
    for number in range(60):
        path = folder / "data" / "clips" / f"class-{number % 2}" / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wav(tone(300 + 400 * (number % 2), 0.1 + 0.05 * (number % 5), seed=number)))
    (folder / "params.yaml").write_text(PARAMS)
    return folder


def png(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def start(project, step, name, **settings):
    environment = os.environ | {"GRAFT_CHECKPOINT_SECONDS": "0", "PYTHONPATH": str(Path.cwd())} | settings
    command = [sys.executable, "-m", "graft.steps", step, name]
    return subprocess.Popen(command, cwd=project, env=environment, stderr=subprocess.PIPE, text=True)


def finish(process):
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    return errors


def end_in_the_middle(process, project, stage, done, number, kept=lambda: True):
    """Send a signal once the step has got that far, and `kept` says yes; it must still be running then."""
    progress = project / ".graft" / "progress" / f"{stage}.json"
    deadline = time.monotonic() + 100
    while not progress.exists() or json.loads(progress.read_text())["done"] < done or not kept():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    process.communicate()
    return process.returncode


def weights(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("model.safetensors"))
    }


def scores(folder):
    study = json.loads((folder / "runs" / "t" / "study.json").read_text())
    assert study["boundary_scores"][-1]["scores"] == study["scores"]
    return {one["boundary"]: one["scores"] for one in study["boundary_scores"]}


def forgetting(folder):
    """Return what every trial of a candidate forgot."""
    with (folder / "runs" / "t" / "trials.csv").open(newline="") as stream:
        return [float(row["forgetting"]) for row in csv.DictReader(stream) if row["role"] == "candidate"]


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("s", signal.SIGKILL),
        ("s", signal.SIGTERM),
        ("words", signal.SIGKILL),
        ("clips", signal.SIGKILL),
        ("plays", signal.SIGKILL),
    ],
)
def test_pretraining_ended_in_the_middle_ends_in_the_same_weights(project, name, number):
    unbroken = project.with_name("unbroken")
    shutil.copytree(project, unbroken)
    whole = start(unbroken, "pretrain", name)
    code = end_in_the_middle(start(project, "pretrain", name), project, f"pretrain@{name}", 60, number)
    assert code == (75 if number == signal.SIGTERM else -9)
    assert not (project / "checkpoints").exists()
    assert "going on from step" in finish(start(project, "pretrain", name))
    finish(whole)
    assert weights(project / "checkpoints") == weights(unbroken / "checkpoints")
    processors = [path / "checkpoints" / name / PROCESSORS[name] for path in (project, unbroken)]
    assert processors[0].read_bytes() == processors[1].read_bytes()


def test_adaptation_killed_in_the_middle_ends_in_the_same_weights_also_on_another_machine(project):
    finish(start(project, "pretrain", "s"))
    store, unbroken, other = (project.with_name(name) for name in ("store", "unbroken", "other"))
    where = {"GRAFT_CHECKPOINTS": str(store), "GRAFT_CHECKPOINT_SECONDS": "0.2"}
    for copy in (unbroken, other):
        shutil.copytree(project, copy)
    whole = start(unbroken, "adapt", "t")
    kept = lambda: len([*store.glob("adapt@t/*/*/outcome.json.*")]) >= 8  # noqa: E731
    for done in (40, 300):  # among the trials of the candidates, and of the control's models for the label curve
        process = start(project, "adapt", "t", **where)
        end_in_the_middle(process, project, "adapt@t", done, signal.SIGKILL, kept if done == 300 else lambda: True)
        assert not (project / "runs" / "t").exists()
        (project / ".graft" / "progress" / "adapt@t.json").unlink()
    known = {json.loads(path.read_text())["seconds"] for path in store.glob("*/*/*/outcome.json.*")}
    shutil.rmtree(project)
    finish(start(other, "adapt", "t", **where))
    shutil.move(other, project)
    finish(whole)
    assert LocalStore(store).list() == ()
    with (project / "runs" / "t" / "trials.csv").open(newline="") as stream:
        trials = [row for row in csv.DictReader(stream) if row["role"] in ("candidate", "control")]
    assert {float(row["seconds"]) for row in trials} & known  # what was finished was not trained again
    assert len(weights(project / "runs")) == 6  # winner, control and the untouched source, two seeds each
    assert weights(project / "runs") == weights(unbroken / "runs")
    answers = [pq.read_table(path / "runs" / "t" / "label_curve.parquet") for path in (project, unbroken)]
    assert answers[0].equals(answers[1])
    assert answers[0].num_rows == 2 * 2 * 3 * 52  # arms, seeds, counts below the budget, test rows
    assert [len(values) for values in scores(project).values()] == [8] * 4
    assert scores(project) == scores(unbroken)
    assert not list((project / ".graft" / "work" / "adapt@t").iterdir())
    assert len(forgetting(project)) == 8  # top-1 and lp-ft, two seeds, two folds
    assert forgetting(project) == forgetting(unbroken)


def test_another_machine_goes_on_where_this_one_died_and_ends_in_the_same_weights(project):
    store = project.with_name("store")
    where = {"GRAFT_CHECKPOINTS": str(store), "GRAFT_CHECKPOINT_SECONDS": "0.2"}
    unbroken, other = project.with_name("unbroken"), project.with_name("other")
    shutil.copytree(project, unbroken)
    shutil.copytree(project, other)
    whole = start(unbroken, "pretrain", "s")
    manifests = lambda: [*store.glob("pretrain@s/*/step-*/manifest.json")]  # noqa: E731
    end_in_the_middle(start(project, "pretrain", "s", **where), project, "pretrain@s", 60, signal.SIGKILL, manifests)
    shutil.rmtree(project)
    finish(whole)
    said = finish(start(other, "pretrain", "s", **where))
    assert f"comes from {store}" in said
    assert "going on from step" in said
    assert weights(other / "checkpoints") == weights(unbroken / "checkpoints")
    assert LocalStore(store).list() == ()


@pytest.mark.parametrize(
    ("step", "name", "message"),
    [
        ("adapt", "u", "no target 'u'; known: t"),
        ("adapt", "t", "checkpoints/s: no complete output here"),
        ("bake", "t", "usage: python -m graft.steps STEP NAME"),
    ],
)
def test_bad_input_ends_with_code_2_and_says_so(project, step, name, message):
    process = start(project, step, name)
    _, errors = process.communicate()
    assert process.returncode == 2
    assert message in errors
    assert "Traceback" not in errors
    assert not (project / "runs").exists()


def test_a_step_leaves_a_word_about_how_it_ended(project):
    start(project, "adapt", "u").communicate()
    outcome = json.loads((project / ".graft" / "outcomes" / "adapt@u.json").read_text())
    assert (outcome["code"], outcome["kind"], outcome["stage"]) == (2, "CatalogError", "adapt@u")
    assert "known: t" in outcome["message"]


def test_a_grown_study_goes_on_from_the_first_also_when_it_is_killed(project):
    catalogue = project / "params.yaml"
    catalogue.write_text(PARAMS.replace("labels_per_class: 4", "labels_per_class: 8"))
    finish(start(project, "pretrain", "s"))
    finish(start(project, "adapt", "t"))
    first = json.loads((project / "runs" / "t" / "study.json").read_text())
    assert first["warm_start"] is None
    catalogue.write_text(PARAMS.replace("labels_per_class: 4", "labels_per_class: 9"))
    unbroken = project.with_name("unbroken")
    shutil.copytree(project, unbroken)
    shutil.rmtree(project / "runs")  # as DVC does before it runs a stage again
    (project / ".graft" / "progress" / "adapt@t.json").unlink()
    end_in_the_middle(start(project, "adapt", "t"), project, "adapt@t", 30, signal.SIGKILL)
    finish(start(project, "adapt", "t"))
    assert "of it from an earlier study" in finish(start(unbroken, "adapt", "t"))
    studies = [json.loads((path / "runs" / "t" / "study.json").read_text()) for path in (project, unbroken)]
    assert [study["warm_start"] for study in studies] == [{"rows": 16, "curve_kept": True}] * 2
    assert "The search of 18 labelled rows went on from an earlier one of 16, 16 of them the same." in " ".join(
        studies[0]["notes"]
    )
    assert weights(project / "runs") == weights(unbroken / "runs")
    answers = [pq.read_table(path / "runs" / "t" / "label_curve.parquet") for path in (project, unbroken)]
    assert answers[0].equals(answers[1])
    assert set(answers[0]["row"].to_pylist()) == set(range(42))  # of the 44 test rows two are labelled now
    assert studies[1]["flops"] < first["flops"] / 2
