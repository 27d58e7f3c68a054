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

from flows.commands.predict import predict as ask
from graft.catalog import load
from graft.errors import BadInput
from graft.problems import PROBLEMS
from graft.problems.grades import Grades
from graft.problems.image_classification import ImageClassification
from graft.problems.sampling import Sampling
from graft.registry import open_registry, predict
from graft.settings import settings
from graft.steps.__main__ import STEPS, main
from tests.boxes import FCOS, scene_table
from tests.conftest import BERT, RESNET
from tests.faces import face_table
from tests.masks import SEGFORMER, disc_table
from tests.networks import GPT2, TIMM, VIT_MAE, WAV2VEC2
from tests.served import base64_of, same, serving
from tests.sounds import tone, wav
from tests.whispers import write_whisper

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


def assert_served(expected, *inputs, **options):
    """Ask over HTTP, files by their paths, and hold the answers against those of `predict`."""
    given = [{"name": one, "data": base64_of(Path(one).read_bytes())} if Path(one).is_file() else one for one in inputs]
    with serving(open_registry(), "t", tokens=200) as client:
        found = client.ask(*given, **options)
    files = [({name: base64_of(content) for name, content in one.pictures.items()}, one.drawing) for one in expected]
    wanted = [
        one.plain() | ({"pictures": pictures} if pictures else {}) | ({"drawing": base64_of(drawn)} if drawn else {})
        for one, (pictures, drawn) in zip(expected, files, strict=True)
    ]
    assert same(found, json.loads(json.dumps(wanted)))


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
    assert_served([said], "In house 7 lives anna, who has a red boat.", question="What has anna?")
    assert open_registry().verify("t")


@pytest.mark.parametrize("network", [SEGFORMER, {**RESNET, "num_channels": 3}], ids=["own head", "UperNet"])
def test_semantic_segmentation_from_a_classifier(go, network):
    pictures = disc_table(24)
    sizes = [np.asarray(Image.open(io.BytesIO(cell["bytes"]))).sum() for cell in pictures["mask"].to_pylist()]
    bright = pictures.drop_columns(["mask"]).append_column("label", pa.array(np.asarray(sizes) > np.median(sizes)))
    source = {
        "problem": "image-classification", "data": {"path": "bright.parquet"}, "backbone": {"config": network},
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
    assert_served([said], "disc.png", draw=True)
    assert open_registry().verify("t")


def test_object_detection_from_a_classifier(go):
    scenes = scene_table(24)
    first = [objects[0]["category"] for objects in scenes["objects"].to_pylist()]
    shapes = scenes.drop_columns(["objects"]).append_column("label", pa.array(first))
    source = {
        "problem": "image-classification", "data": {"path": "shapes.parquet"},
        "backbone": {"config": FCOS["backbone_config"]}, "pretraining": {"epochs": 1, "image_size": 48},
    }  # fmt: skip
    target = {
        "problem": "object-detection",
        "data": {"path": "few.parquet", "labels": 8},
        "evaluation": {"robustness_rows": 2},
    }
    found = go(source, target, {"shapes.parquet": shapes, "few.parquet": scene_table(20, 1)})
    assert (found["metric"], found["further"]) == ("map", ["map_50", "ap_disc", "ap_square"])
    assert (found["train_rows"], found["test_rows"]) == (8, 12)
    assert json.loads(Path("runs/t/study.json").read_text())["labels"] == ["disc", "square"]
    assert "data:image/png" in Path("reports/t/report.html").read_text()
    Path("scene.png").write_bytes(scene_table(1, 2, width=80, height=60)["image"][0].as_py()["bytes"])
    (said,) = predict("t", ["scene.png"], draw=True)
    assert {*said.facts} == {"objects"}
    assert said.drawing is not None
    assert_served([said], "scene.png", draw=True)
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
    assert_served([said], "clip.wav")
    assert open_registry().verify("t")
    report = Path("reports/t/report.html").read_text()
    assert "side by side" in report
    assert "audio/wav" in report


def test_speech_to_text_from_a_checkpoint(go):
    write_whisper(Path("whisper"))
    source = {
        "problem": "speech-to-text", "data": {"path": "tones.parquet"}, "backbone": {"checkpoint": "whisper"},
        "pretraining": {"epochs": 2, "batch_size": 4},
    }  # fmt: skip
    target = {
        "problem": "speech-to-text",
        "data": {"path": "spoken.parquet", "labels": 8},
        "study": {**STUDY, "replay": 0.25, "folds": 2, "label_counts": [4]},
        "evaluation": {"robustness_rows": 2},
    }
    found = go(source, target, {"tones.parquet": spoken(16), "spoken.parquet": spoken(20, 100)})
    assert (found["metric"], found["further"]) == ("word_error_rate", ["character_error_rate"])
    assert found["gain"] == pytest.approx(found["scratch"] - found["transfer"])
    assert found["forgetting"] == pytest.approx(found["source_after"] - found["source_before"])
    study = json.loads(Path("runs/t/study.json").read_text())
    assert any("which trains with block 3; where block 3 is frozen" in note for note in study["notes"])
    assert study["carried"]["made_anew"] == []
    Path("clip.wav").write_bytes(spoken(1, 7)["audio"][0].as_py()["bytes"])
    Path("long.wav").write_bytes(wav(tone(500, 1.5)))
    whole, long = predict("t", ["clip.wav", "long.wav"])
    assert {*whole.facts} == {"answer"}
    assert long.facts["cut"] == "1 of 1.5 s were heard"
    assert_served([whole, long], "clip.wav", "long.wav")
    assert open_registry().verify("t")
    kept = json.loads(Path("packages/t/generation_config.json").read_text())
    assert "begin_suppress_tokens" not in kept
    assert "side by side" in Path("reports/t/report.html").read_text()


def plays(count, first=0):
    """Return speeches that say who speaks, who is there and what is done, in a few words of one grammar."""
    people, verbs = ("ANNA", "BERT", "CARL", "DORA"), ("calls", "hears", "follows", "forgets")
    rows = []
    for number in range(first, first + count):
        who, whom, verb = people[number % 4], people[number // 4 % 4], verbs[number // 16 % 4]
        rows.append(f"{who}:\nIn house {number} {who.lower()} {verb} {whom.lower()}, and no one else is there.")
    return pa.table({"text": rows})


def test_text_generation(go, capsys):
    source = {
        "problem": "text-generation", "data": {"path": "plays.parquet"},
        "backbone": {"config": {**GPT2, "n_positions": 32}},
        "pretraining": {"epochs": 2, "max_tokens": 32, "vocabulary_size": 300},
    }  # fmt: skip
    target = {
        "problem": "text-generation",
        "data": {"path": "others.parquet", "labels": 8},
        "study": {**STUDY, "replay": 0.25, "label_counts": [4]},
        "evaluation": {"robustness_rows": 2},
    }
    found = go(source, target, {"plays.parquet": plays(48), "others.parquet": plays(20, 100)})
    assert (found["metric"], found["further"]) == ("loss", ["perplexity", "bits_per_byte"])
    assert (found["train_rows"], found["test_rows"]) == (8, 12)
    assert found["gain"] == pytest.approx(found["scratch"] - found["transfer"])
    assert found["perplexity"] == pytest.approx(np.exp(found["transfer"]), rel=0.01)  # a mean over two seeds
    assert any(
        "the matrix that embeds them" in note for note in json.loads(Path("runs/t/study.json").read_text())["notes"]
    )
    report = Path("reports/t/report.html").read_text()
    assert "adapted, after" in report
    assert " nats of loss" in report
    first, empty, long = predict("t", ["ANNA:\nIn house", "", "ANNA " * 40], sampling=Sampling(max_tokens=40, seed=1))
    assert first == predict("t", ["ANNA:\nIn house"], sampling=Sampling(max_tokens=40, seed=1))[0]
    assert (first.note, empty.note) == ("", "")
    assert_served([first, empty, long], "ANNA:\nIn house", "", "ANNA " * 40, max_tokens=40, seed=1)
    assert long.note.startswith("cut: the last 16 of ")
    assert all(0 <= one.facts["tokens"] <= 40 for one in (first, empty, long))
    ask("t", ["ANNA:"], None, Path(), None, False, {"temperature": 0.0, "max_tokens": 5})
    assert (
        capsys.readouterr().out.rstrip("\n")
        == predict("t", ["ANNA:"], sampling=Sampling(5, 0.0))[0].facts["continuation"]
    )
    assert open_registry().verify("t")


def bars(count, first=0, sides=("across", "down")):
    """Return grey pictures of one bar, and which way it lies."""
    rng = np.random.default_rng(first)
    rows = []
    for number in range(first, first + count):
        picture = rng.integers(0, 40, (16, 16), dtype=np.uint8)
        at = 2 + int(rng.integers(10))
        picture[(slice(at, at + 3), slice(None)) if number % 2 else (slice(None), slice(at, at + 3))] = 220
        stream = io.BytesIO()
        Image.fromarray(picture).save(stream, "PNG")
        rows.append({"image": {"bytes": stream.getvalue(), "path": None}, "label": sides[number % 2]})
    return pa.Table.from_pylist(rows)


@pytest.mark.parametrize(
    ("problem", "network", "left"),
    [
        ("masked-image-modelling", VIT_MAE, "decoder.* (24)"),
        ("contrastive-images", RESNET, "projection.0.bias"),
        ("contrastive-images", TIMM, "timm_model.projection.0.bias"),
    ],
    ids=["vit", "resnet", "timm"],
)
def test_image_classification_from_images_without_labels(go, problem, network, left):
    source = {
        "problem": problem, "data": {"path": "bare.parquet"}, "backbone": {"config": network},
        "pretraining": {"epochs": 1, "image_size": 16, "batch_size": 8},
    }  # fmt: skip
    target = {
        "problem": "image-classification",
        "data": {"path": "bars.parquet", "labels_per_class": 4},
        "study": {**STUDY, "strategies": ["linear-probe", "top-1", "full"], "max_forgetting": 10.0, "replay": 0.3,
                  "folds": 2, "label_counts": []},
        "evaluation": {"robustness_rows": 0},
    }  # fmt: skip
    found = go(source, target, {"bare.parquet": bars(24).drop_columns(["label"]), "bars.parquet": bars(20, 100)})
    assert (found["metric"], found["source_metric"]) == ("accuracy", "loss")
    assert found["forgetting"] == pytest.approx(found["source_after"] - found["source_before"])
    study = json.loads(Path("runs/t/study.json").read_text())
    assert study["carried"]["carried_over"] > 30
    assert left in study["carried"]["left_behind"]
    assert {candidate["strategy"]: candidate["forgetting"] for candidate in study["candidates"]}["full"] is not None
    assert "carried over" in Path("reports/t/report.html").read_text()
    Path("bar.png").write_bytes(bars(1, 7)["image"][0].as_py()["bytes"])
    (said,) = predict("t", ["bar.png"])
    assert said.label in ("across", "down")
    assert open_registry().verify("t")


def test_face_verification_from_a_classifier(go):
    drawn = face_table(6, 6, 1)
    source = {
        "problem": "image-classification", "data": {"path": "drawn.parquet"}, "backbone": {"config": RESNET},
        "pretraining": {"epochs": 2, "image_size": 24},
    }  # fmt: skip
    target = {
        "problem": "face-verification",
        "data": {"path": "faces.parquet", "labels": 36},
        "evaluation": {"robustness_rows": 12},
        "study": {**STUDY, "label_counts": [12, 18]},
    }
    known = drawn.rename_columns(["image", "label"])
    found = go(source, target, {"drawn.parquet": known, "faces.parquet": face_table(12, 4, 2, first=6)})
    assert (found["metric"], found["higher_is_better"]) == ("equal_error_rate", False)
    assert found["further"] == ["verification_accuracy", "tar_at_far_1e-2", "tar_at_far_1e-3", "rank_1"]
    assert (found["train_rows"], found["test_rows"]) == (36, 8)
    assert found["gain"] == pytest.approx(found["scratch"] - found["transfer"])
    assert found["threshold_1e-2"] is not None
    assert found["threshold_1e-3"] is None  # of some hundred pairs none can be told to be one in a thousand
    assert found["forgetting"] >= 0 or found["source_before"] < 1
    assert "Hardest pairs" in Path("reports/t/report.html").read_text()
    for number, cell in enumerate(face_table(2, 2, 9)["image"].to_pylist()):
        Path(f"{number}.png").write_bytes(cell["bytes"])
    (said,) = predict("t", ["0.png"], beside="0.png", draw=True)
    assert said.facts == {"with": "0.png", "similarity": pytest.approx(1, abs=1e-4), "same_at_far_1e-2": True}
    assert said.drawing is not None
    other = {"name": "0.png", "data": base64_of(Path("0.png").read_bytes())}
    assert_served([said], "0.png", draw=True, **{"with": other})
    Path("people").mkdir()
    for number in (0, 2, 3):
        Path(f"people/{number}.png").write_bytes(Path(f"{number}.png").read_bytes())
    one, other = predict("t", ["0.png", "1.png"], gallery=Path("people"))
    assert one.facts["match"] == "people/0.png"
    assert len(other.facts["matches"]) == 3
    (alone,) = predict("t", ["0.png"])
    assert len(alone.facts["embedding"]) == 128
    assert_served([alone], "0.png")
    with pytest.raises(BadInput, match="one of them"):
        predict("t", ["0.png"], beside="1.png", gallery=Path("people"))
    assert open_registry().verify("t")


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


def scans(count, first=0):
    """Return pictures, one in four ill and a little brighter, of patients who have two each."""
    rng = np.random.default_rng(first)
    cells, ill = [], np.arange(count) // 2 % 4 == 0
    for one in ill:
        stream = io.BytesIO()
        Image.fromarray((rng.integers(0, 120, (16, 16)) + 70 * one).astype(np.uint8)).save(stream, "PNG")
        cells.append({"bytes": stream.getvalue(), "path": None})
    names = np.where(ill, "ill", "well")
    patients = [f"{first}-{row // 2}" for row in range(count)]
    return pa.table({"image": cells, "label": names, "patient": patients, "kind": pa.array(np.arange(count) % 3)})


def test_a_finding_with_a_threshold_and_patients(go):
    source = {
        "problem": "image-classification", "data": {"path": "kinds.parquet", "columns": {"label": "kind"}},
        "backbone": {"config": RESNET}, "pretraining": {"epochs": 1, "image_size": 16},
    }  # fmt: skip
    target = {
        "problem": "image-classification",
        "data": {"path": "scans.parquet", "columns": {"label": "label"}, "group": "patient", "labels_per_class": 6},
        "study": {**STUDY, "metric": "balanced_accuracy"},
        "evaluation": {"robustness_rows": 0, "positive": "ill", "min_sensitivity": 0.9},
        "gates": {**OPEN, "min_sensitivity": 0.0},
    }
    found = go(source, target, {"kinds.parquet": scans(36), "scans.parquet": scans(64, 1)})
    assert found["metric"] == json.loads(Path("runs/t/study.json").read_text())["metric"] == "balanced_accuracy"
    assert found["further"] == ["accuracy", "macro_f1", "auroc"]
    assert found["validation_sensitivity"] >= 0.9
    assert found["sensitivity_low"] <= found["sensitivity"] <= found["sensitivity_high"]
    report = Path("reports/t/report.html").read_text()
    assert "Operating point" in report
    assert "balanced accuracy" in report
    Path("scan.png").write_bytes(scans(1, 2)["image"][0].as_py()["bytes"])
    (said,) = predict("t", ["scan.png"])
    assert said.threshold == found["threshold"]
    assert said.positive == (said.probabilities["ill"] >= said.threshold) == (said.label == "ill")
    assert said.note.startswith("positive: ill" if said.positive else "negative: ill")
    assert_served([said], "scan.png")
    assert "min_sensitivity" in Path(".graft/decisions/t.json").read_text()
    assert open_registry().verify("t")


def marked(count, first=0):
    """Return pictures with a bright upper half, a bright left half, both or neither, and the names of what is there."""
    rng = np.random.default_rng(first)
    cells, sets = [], []
    for number in range(count):
        upper, left = number % 2 == 1, number // 2 % 2 == 1
        pixels = rng.integers(0, 90, (16, 16))
        pixels[:8] += 80 * upper
        pixels[:, :8] += 80 * left
        stream = io.BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).save(stream, "PNG")
        cells.append({"bytes": stream.getvalue(), "path": None})
        sets.append([name for name, there in (("upper", upper), ("left", left)) if there])
    return pa.table({"image": cells, "labels": pa.array(sets), "kind": [str(number % 4) for number in range(count)]})


def test_multi_label_image_classification_from_one_label(go):
    source = {
        "problem": "image-classification", "data": {"path": "kinds.parquet", "columns": {"label": "kind"}},
        "backbone": {"config": RESNET}, "pretraining": {"epochs": 1, "image_size": 16},
    }  # fmt: skip
    target = {
        "problem": "multi-label-image-classification",
        "data": {"path": "marked.parquet", "labels": 12},
        "evaluation": {"robustness_rows": 4},
    }
    found = go(source, target, {"kinds.parquet": marked(32), "marked.parquet": marked(32, 1)})
    further = ["macro_f1", "micro_f1", "exact_match", "auroc of left", "auroc of upper"]
    assert (found["metric"], found["further"]) == ("auroc", further)
    assert found["transfer"] == pytest.approx((found["auroc of left"] + found["auroc of upper"]) / 2)
    assert (found["train_rows"], found["test_rows"], found["ece"]) == (12, 20, None)
    rows = pq.read_table("reports/t/predictions.parquet").to_pylist()
    assert {*rows[0]} == {"hash", "answer", "label_accuracy_transfer", "label_accuracy_scratch"}
    report = Path("reports/t/report.html").read_text()
    assert "Worst answers" in report
    assert "AUROC of left" in report
    Path("one.png").write_bytes(marked(4, 2)["image"][3].as_py()["bytes"])
    (said,) = predict("t", ["one.png"])
    assert {*said.facts["probabilities"]} == {"left", "upper"}
    assert_served([said], "one.png")
    assert all(
        (f"{name} " in said.facts["answer"]) == (share >= 0.5) for name, share in said.facts["probabilities"].items()
    )
    config = json.loads(Path("packages/t/config.json").read_text())
    assert (config["problem_type"], config["id2label"]) == ("multi_label_classification", {"0": "left", "1": "upper"})
    assert open_registry().verify("t")


def test_the_way_has_every_step():
    assert {step.split()[0] for step in WAY} == {*STEPS} - {"claim"}  # which a flow makes for its publication
