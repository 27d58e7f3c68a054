"""Rows that are made of the real datasets, from small ones of the same form."""

import csv
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from bench import derived
from graft.catalog import Data
from graft.problems import PROBLEMS
from graft.reading import read
from tests.masks import discs, png
from tests.sounds import tone

SPEAKERS = ("lucas", "theo", "anna")
PASSAGES = {
    "train": ["The tower was built in 1889 by Gustave Eiffel. It is 330 metres high, and was the highest for years."],
    "validation": [
        "In Rome people have built bridges over the Tiber for two thousand years. Some of them are still standing.",
        "The first railway of Japan went from Tokyo to Yokohama in 1872. It was 29 kilometres long.",
    ],
}


@pytest.fixture
def real(tmp_path, monkeypatch):
    """A folder with a dataset of nuclei and one of spoken digits, as the real ones are laid out."""
    nuclei = tmp_path / "data/nuclei"
    (nuclei / "images").mkdir(parents=True)
    (nuclei / "masks").mkdir()
    rows = []
    for number, (picture, mask) in enumerate(discs(12)):
        row = {"image": f"images/{number}.png", "mask": f"masks/{number}.png"}
        (nuclei / row["image"]).write_bytes(png(picture))
        (nuclei / row["mask"]).write_bytes(png(255 * mask))
        row["split"], row["kind"] = (
            ("train", "validation", "test")[number % 3],
            ("fluorescence", "stained")[number // 6],
        )
        rows.append(row)
    write_csv(nuclei / "index.csv", rows)
    for split, takes in (("train", range(2)), ("test", range(2, 3))):
        folder = tmp_path / "data/spoken_digits" / split
        folder.mkdir(parents=True)
        clips = [(digit, speaker, take) for digit in range(4) for speaker in SPEAKERS for take in takes]
        for digit, speaker, take in clips:
            soundfile.write(
                folder / f"{digit}_{speaker}_{take}.wav", tone(300 + 90 * digit, 0.1, 8000, seed=take), 8000
            )
        named = [{"file_name": f"{d}_{s}_{t}.wav", "label": str(d), "speaker": s} for d, s, t in clips]
        write_csv(folder / "metadata.csv", named)
    for split in ("train", "validation"):
        articles = [{"paragraphs": [{"context": passage, "qas": []}]} for passage in PASSAGES[split]]
        (tmp_path / "data/squad").mkdir(exist_ok=True)
        (tmp_path / f"data/squad/{split}.json").write_text(json.dumps({"data": articles}))
    monkeypatch.setattr(derived, "REAL", tmp_path / "data")
    monkeypatch.setattr(derived, "LOOKED_UP", 20)
    return tmp_path


def write_csv(path, rows):
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_two_kinds_of_microscope_are_divided_and_their_classes_named(real):
    folder = derived.make("nuclei", real)
    for kind in ("fluorescence", "stained"):
        found = read(Data(path=str(folder / kind)), PROBLEMS["semantic-segmentation"])
        assert {split: rows.num_rows for split, rows in found.splits.items()} == dict.fromkeys(
            ("train", "validation", "test"), 2
        )
        assert found.labels == ("background", "nucleus")


def test_one_speaker_is_set_apart(real):
    folder = derived.make("spoken_digits", real)
    files = ("five/train", "five/test", "sixth")
    speakers = [{*pq.read_table(folder / f"{name}.parquet")["speaker"].to_pylist()} for name in files]
    assert speakers == [{"lucas", "anna"}, {"lucas", "anna"}, {derived.QUIET}]
    assert pq.read_table(folder / "sixth.parquet").num_rows == 12


def test_joined_clips_say_what_their_parts_say(real):
    rows = derived.join_digits("train", {"lucas", "anna"}, 6, (2, 4), seed=0)
    assert {row["speaker"] for row in rows} == {"lucas", "anna"}
    lengths = [len(row["transcript"].split()) for row in rows]
    assert set(lengths) <= {2, 3, 4}
    assert len(set(lengths)) > 1
    assert all(set(row["transcript"].split()) <= set(derived.SAID) for row in rows)
    for row, length in zip(rows, lengths, strict=True):
        (real / "clip.wav").write_bytes(row["audio"]["bytes"])
        samples, rate = soundfile.read(real / "clip.wav")
        assert (rate, len(samples)) == (8000, length * (800 + derived.PAUSE))
        assert np.abs(samples).max() > 0.1


def test_what_is_made_once_stays(real):
    folder = derived.make("nuclei", real)
    (folder / "stained/classes.txt").write_text("mine\n")
    assert (derived.make("nuclei", real) / "stained/classes.txt").read_text() == "mine\n"


def test_questions_are_made_of_the_passages_of_their_own_split_and_words_to_look_up_of_training_alone(real):
    folder = derived.make("squad", real)
    found = {
        split: pq.read_table(folder / f"cloze/{split}.parquet").to_pylist() for split in ("train", "validation", "test")
    }
    texts = {split: " ".join(row["text"] for row in rows) for split, rows in found.items()}
    assert "Gustave" in texts["train"]
    assert "Rome" in texts["validation"]
    assert "Yokohama" in texts["test"]
    assert not any(word in texts["train"] for word in ("Rome", "Yokohama"))
    looked_up = {split: sum(not row["question"].endswith("?") for row in rows) for split, rows in found.items()}
    assert looked_up == {"train": 40, "validation": 0, "test": 0}
    dataset = read(Data(path=str(folder / "cloze")), PROBLEMS["question-answering"])
    assert dataset.splits["train"].num_rows == len(found["train"])
