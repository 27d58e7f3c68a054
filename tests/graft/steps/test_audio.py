"""Audio from a folder of clips to a prediction, through every step, on tones."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from graft.catalog import Catalog, Gates
from graft.errors import BadInput, CheckFailed
from graft.registry import Candidate, Registry, predict, publish
from graft.steps import adapt, check, evaluate, pretrain
from graft.storage import MemoryStore
from tests.conftest import SPEECH
from tests.sounds import RATE, tone, wav

PITCHES = {"low": 300, "high": 900}


def write_clips(folder, count, begin=0):
    for name, hertz in PITCHES.items():
        (folder / name).mkdir(parents=True)
        for number in range(begin, begin + count):
            samples = tone(hertz + 5 * number, 0.1 + 0.05 * (number % 4), seed=number)
            (folder / name / f"{number}.wav").write_bytes(wav(samples))


@pytest.fixture
def catalog(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_clips(Path("data/s"), 14)
    write_clips(Path("data/t"), 11, begin=20)
    study = {"strategies": ["linear-probe"], "seeds": 2, "folds": 2, "budget_steps": 4, "resamples": 100}
    recipe = {"epochs": 6, "learning_rate": 0.01, "batch_size": 8}
    entry = {"problem": "audio-classification"}
    return Catalog.model_validate({
        "sources": {"s": {**entry, "data": {"path": "data/s"}, "backbone": {"config": SPEECH}, "pretraining": recipe}},
        "targets": {"t": {**entry, "source": "s", "data": {"path": "data/t", "labels_per_class": 4},
                          "study": {**study, "label_counts": []}, "evaluation": {"robustness_rows": 4}}},
    })  # fmt: skip


def test_clips_go_from_a_folder_to_a_prediction(catalog, tmp_path):
    check.run_source("s", catalog)
    check.run_target("t", catalog)
    pretrain.run("s", catalog)
    adapt.run("t", catalog)
    evaluate.run("t", catalog)
    metrics = json.loads(Path("reports/t/metrics.json").read_text())
    assert metrics["test_rows"] == 14
    assert 0 <= metrics["macro_f1"] <= 1
    assert metrics["robustness_rows"] == 4
    assert len(pq.read_table("reports/t/predictions.parquet")) == 14
    facts = json.loads(Path("checkpoints/s/preprocessor_config.json").read_text())
    assert facts["sampling_rate"] == RATE
    samples = json.loads(Path("packages/t/golden.json").read_text())
    assert [sample["input"] for sample in samples] == [f"golden/{number}.wav" for number in range(5)]
    page = Path("reports/t/report.html").read_text()
    assert ("<audio controls" in page) == (metrics["transfer"] < 1)

    registry = Registry(MemoryStore(), tmp_path / "cache")
    publish(registry, Candidate("t", Path("packages/t"), metrics, Gates(verdicts=(metrics["verdict"],)), list))
    assert registry.verify("t@1").golden == 5
    Path("fast.wav").write_bytes(wav(tone(320, rate=2 * RATE), 2 * RATE))
    Path("long.wav").write_bytes(wav(tone(320, seconds=11)))
    fast, long = predict("t@1", ["fast.wav", "long.wav"], registry)
    assert fast.label in PITCHES
    assert fast.probability == max(fast.probabilities.values())
    assert fast.note == f"resampled from {2 * RATE} to {RATE} Hz"
    assert long.note == "cut: 10 of 11.0 s were read"
    Path("notes.wav").write_text("not a sound")
    Path("silent.wav").write_bytes(wav(tone(300, seconds=0)))
    with pytest.raises(BadInput) as refusal:
        predict("t@1", ["fast.wav", "notes.wav", "silent.wav", "gone.wav", "data"], registry)
    assert len(refusal.value.problems) == 4
    for reason in ("no known sound format", "it holds no samples", "no such file", "a folder, expected a sound file"):
        assert reason in str(refusal.value)


def test_clips_that_cannot_be_read_stop_the_run_before_any_training(catalog):
    for name in ("low/1.wav", "high/3.wav"):
        Path("data/s", name).write_bytes(b"RIFF")
    Path("data/s/low/2.wav").write_bytes(b"")
    with pytest.raises(CheckFailed) as error:
        check.run_source("s", catalog)
    assert all(name in str(error.value) for name in ("low/1.wav", "low/2.wav", "high/3.wav"))
    assert not Path("checks/sources/s").exists()
