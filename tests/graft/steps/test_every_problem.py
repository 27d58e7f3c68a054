"""Every problem goes the whole way, from raw rows to a decision and an answer, on tiny networks and made data."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from ruamel.yaml import YAML

from graft.catalog import load
from graft.problems import PROBLEMS
from graft.problems.grades import Grades
from graft.problems.image_classification import ImageClassification
from graft.registry import open_registry, predict
from graft.settings import settings
from graft.steps.__main__ import STEPS, main
from tests.conftest import BERT, RESNET
from tests.masks import SEGFORMER, disc_table
from tests.networks import WAV2VEC2
from tests.sounds import tone, wav

STUDY = {
    "strategies": ["linear-probe", "full"],
    "seeds": 2,
    "budget_steps": 4,
    "resamples": 100,
    "label_counts": [4, 6],
}
WAY = ("check-source s", "pretrain s", "check-target t", "adapt t", "evaluate t", "publish t")
OPEN = {"verdicts": ["helps", "neutral", "hurts", "cannot-tell"], "min_gain": -1.0}


@pytest.fixture
def go(tmp_path, monkeypatch):
    """Return a function that runs every step over one source and one target, and returns metrics.json."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRAFT_DEVICE", "cpu")
    settings.cache_clear()

    def run(source, target, files):
        for name, table in files.items():
            pq.write_table(table, tmp_path / name)
        target = {"source": "s", "study": STUDY, "gates": OPEN, **target}
        with (tmp_path / "params.yaml").open("w") as stream:
            YAML(typ="safe").dump({"sources": {"s": source}, "targets": {"t": target}}, stream)
        load()
        for step in WAY:
            assert main(step.split()) == 0, step
        return json.loads((tmp_path / "reports/t/metrics.json").read_text())

    return run


def questions(count, first=0):
    """Return passages that say who has what, a question about each, and where in it the answer is."""
    owners, things = ("anna", "bert", "carl", "dora"), ("a red boat", "a blue kite", "the old map", "two cats")
    rows = []
    for number in range(first, first + count):
        owner, thing = owners[number % 4], things[number // 4 % 4]
        text = f"In house {number} lives {owner}, who has {thing} and no other things."
        answer = {"text": [thing], "answer_start": [text.index(thing)]}
        rows.append({"context": text, "question": f"What has {owner}?", "answers": answer})
    return pa.Table.from_pylist(rows)


def test_question_answering(go):
    texts = pa.table({"text": questions(24)["context"]})
    source = {
        "problem": "masked-language-modelling", "data": {"path": "texts.parquet"},
        "backbone": {"config": {**BERT, "max_position_embeddings": 48}},
        "pretraining": {"epochs": 1, "max_tokens": 24, "vocabulary_size": 200},
    }  # fmt: skip
    target = {
        "problem": "question-answering",
        "data": {"path": "questions.parquet", "columns": {"text": "context"}, "labels": 8},
    }
    found = go(source, target, {"texts.parquet": texts, "questions.parquet": questions(20, 100)})
    assert (found["metric"], found["further"], found["train_rows"], found["test_rows"]) == (
        "f1",
        ["exact_match"],
        8,
        12,
    )
    assert found["ece"] is None
    (said,) = predict("t", ["In house 7 lives anna, who has a red boat."], question="What has anna?")
    assert set(said.facts) == {"answer", "score", "start", "end"}
    assert open_registry().verify("t")


def test_semantic_segmentation_from_a_classifier(go):
    pictures = disc_table(24)
    sizes = [np.asarray(Image.open(io.BytesIO(cell["bytes"]))).sum() for cell in pictures["mask"].to_pylist()]
    bright = pictures.drop_columns(["mask"]).append_column("label", pa.array(np.asarray(sizes) > np.median(sizes)))
    source = {
        "problem": "image-classification", "data": {"path": "bright.parquet"}, "backbone": {"config": SEGFORMER},
        "pretraining": {"epochs": 1, "image_size": 16},
    }  # fmt: skip
    target = {
        "problem": "semantic-segmentation",
        "data": {"path": "discs.parquet", "labels": 8},
        "evaluation": {"robustness_rows": 2},
    }
    Path("classes.txt").write_text("ground\ndisc\n")
    found = go(source, target, {"bright.parquet": bright, "discs.parquet": disc_table(20, 1)})
    assert (found["metric"], found["further"]) == ("mean_iou", ["dice", "pixel_accuracy"])
    assert (found["train_rows"], found["test_rows"]) == (8, 12)
    assert json.loads(Path("runs/t/study.json").read_text())["labels"] == ["ground", "disc"]
    assert "data:image/png" in Path("reports/t/report.html").read_text()
    Path("disc.png").write_bytes(disc_table(1, 2)["image"][0].as_py()["bytes"])
    (said,) = predict("t", ["disc.png"], draw=True)
    mask = Image.open(io.BytesIO(said.pictures["mask"]))
    assert (mask.size, {*np.unique(np.asarray(mask))} <= {0, 1}) == ((16, 16), True)
    assert any(word in said.facts["covered"] for word in ("disc", "ground"))
    assert said.drawing is not None
    assert open_registry().verify("t")


def spoken(count, first=0):
    """Return clips of tones, each a letter, and what they spell; with a label for whoever classifies them."""
    rows = []
    for number in range(first, first + count):
        letters = [("a", "b")[(number >> place) % 2] for place in range(3)]
        samples = np.concatenate([tone(500 if one == "a" else 1000, 0.1, seed=number) for one in letters])
        cell = {"bytes": wav(samples), "path": None}
        rows.append({"audio": cell, "label": letters[0], "transcript": " ".join(letters), "speaker": f"s{number % 4}"})
    return pa.Table.from_pylist(rows)


def test_speech_recognition_from_a_classification_of_clips(go):
    source = {
        "problem": "audio-classification", "data": {"path": "tones.parquet"},
        "backbone": {"config": {**WAV2VEC2, "do_stable_layer_norm": True}},
        "pretraining": {"epochs": 1},
    }  # fmt: skip
    target = {
        "problem": "speech-recognition",
        "data": {"path": "spoken.parquet", "labels": 8},
        "evaluation": {"robustness_rows": 4},
    }
    found = go(source, target, {"tones.parquet": spoken(16), "spoken.parquet": spoken(20, 100)})
    assert (found["metric"], found["further"]) == ("word_error_rate", ["character_error_rate"])
    assert not found["higher_is_better"]
    assert found["gain"] == pytest.approx(found["scratch"] - found["transfer"])
    Path("clip.wav").write_bytes(spoken(1, 7)["audio"][0].as_py()["bytes"])
    (said,) = predict("t", ["clip.wav"])
    assert set(said.facts["answer"]) <= {"a", "b", " "}
    assert open_registry().verify("t")
    report = Path("reports/t/report.html").read_text()
    assert "side by side" in report
    assert "audio/wav" in report


def brightness(count, first=0):
    """Return pictures of one grey and how bright each is, from 0 to 1."""
    rng = np.random.default_rng(first)
    values, cells = rng.random(count), []
    for value in values:
        stream = io.BytesIO()
        grain = rng.integers(-9, 10, (16, 16))
        Image.fromarray(np.clip(255 * value + grain, 0, 255).astype(np.uint8)).save(stream, "PNG")
        cells.append({"bytes": stream.getvalue(), "path": None})
    return pa.table({"image": cells, "value": values})


class Regression(ImageClassification):
    """An exercise: how bright an image is; all that a new problem is, in one place."""

    name = "image-regression"
    columns = ("image", "value")
    truths = ("value",)
    metric = "mean_absolute_error"
    higher_is_better = False

    def encode(self, table, processor):
        examples = super().encode(table, processor)
        values = np.asarray(table["value"]) if "value" in table.column_names else None
        return type(examples)(examples.features, values)

    def collate(self, examples, rows, processor, generator, training):
        batch = super().collate(examples, rows, processor, generator, training)
        if "labels" in batch:
            batch["labels"] = batch["labels"].float()
        return batch

    def loss(self, logits, labels, smoothing):
        return ((logits[:, 0] - labels) ** 2).mean()

    def grade(self, answers, truths):
        return Grades.of(np.abs(answers[:, 0] - np.asarray(truths)))

    def measure(self, answers, truths):
        return {self.metric: self.grade(answers, truths).mean}


def test_a_new_problem_is_one_class_and_one_line(go, monkeypatch):
    monkeypatch.setitem(PROBLEMS, Regression.name, Regression())
    source = {
        "problem": Regression.name, "data": {"path": "bright.parquet"}, "backbone": {"config": RESNET},
        "pretraining": {"epochs": 2, "image_size": 16},
    }  # fmt: skip
    target = {"problem": Regression.name, "data": {"path": "other.parquet", "labels": 10}}
    found = go(source, target, {"bright.parquet": brightness(40), "other.parquet": brightness(30, 1)})
    assert found["metric"] == "mean_absolute_error"
    assert found["gain"] == pytest.approx(found["scratch"] - found["transfer"])
    assert found["forgetting"] == pytest.approx(found["source_after"] - found["source_before"])
    picture = brightness(1, 2)["image"][0].as_py()["bytes"]
    (Path("bright.png")).write_bytes(picture)
    (said,) = predict("t", ["bright.png"])
    assert float(said.facts["answer"].split(",")[0]) + 1 >= 0


def test_the_way_has_every_step():
    assert {step.split()[0] for step in WAY} == set(STEPS)
