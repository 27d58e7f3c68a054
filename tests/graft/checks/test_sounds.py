"""What the checks say of clips."""

import numpy as np
import pyarrow as pa
import pytest

from graft.catalog import Checks
from graft.checks.check import check
from graft.checks.rows import derive
from graft.problems import PROBLEMS
from graft.reading import Dataset
from graft.reading.cells import FILE
from tests.sounds import RATE, tone, wav

AUDIO = PROBLEMS["audio-classification"]


def dataset(train, test, groups=None):
    splits = {}
    for name, contents in (("train", train), ("test", test)):
        count = len(contents)
        columns = {
            "audio": pa.array(
                [{"bytes": content, "path": f"{place}.wav"} for place, content in enumerate(contents)], FILE
            ),
            "label": pa.array([place % 2 for place in range(count)], pa.int64()),
            "file": [f"{name}/metadata.csv"] * count,
            "row": list(range(1, count + 1)),
        }
        splits[name] = pa.table(columns | ({"group": groups[name]} if groups else {}))
    return Dataset(splits, ("no", "yes"), "0" * 64)


def found(rows, **thresholds):
    # the rules on facts and rows are judged by Great Expectations elsewhere; here is what they are judged on
    summary = check("s", "source", rows, AUDIO, Checks(**thresholds)).summary
    return {entry["name"]: entry for entry in summary["expectations"]}


def test_a_clip_is_measured():
    rows = derive(dataset([wav(tone(300, level=0.5)), b"nothing"], [wav(np.zeros((400, 2), np.float32))]), AUDIO)
    assert rows["decodable"].tolist() == [True, False, True]
    assert rows["sampling_rate"].tolist()[0::2] == [RATE, RATE]
    assert rows["channels"].tolist()[0::2] == [1, 2]
    assert rows["seconds"].tolist()[0::2] == [0.2, 0.1]
    assert rows["decibels"].tolist()[0] == pytest.approx(-9, abs=0.2)  # a tone of amplitude 0.5
    assert rows["decibels"].tolist()[2] == -120
    assert rows["clipped"].tolist()[0::2] == [0, 0]
    assert rows["hash"].isna().tolist() == [False, True, False]
    assert "known sound format" in rows["what"][1]
    assert rows["what"][0] == f"0.20 s, {RATE} Hz, mono, -9 dB"


def test_everything_that_is_wrong_with_clips_is_found_at_once_by_file_and_row():
    good = [wav(tone(300 + 20 * number)) for number in range(6)]
    loud = wav(np.clip(tone(500) * 9, -1, 1))
    train = [*good, loud, wav(tone(700, rate=2 * RATE), 2 * RATE), wav(np.zeros(800, np.float32)), b"", good[0]]
    test = [wav(tone(900)), good[1], wav(tone(950, seconds=0.02))]
    speakers = {"train": ["ann"] * 10 + ["bob"], "test": ["cid", "bob", "cid"]}
    entries = found(dataset(train, test, speakers), min_sampling_rate=RATE)
    wrong = {name: [(row["place"], row["what"]) for row in entry["rows"]] for name, entry in entries.items()
             if not entry["success"]}  # fmt: skip
    assert wrong.keys() == {"decodable", "groups", "leakage", "rates", "duration", "clipping", "silence"}
    assert [place for place, _ in wrong["decodable"]] == ["train/metadata.csv, row 10"]
    assert "empty file" in wrong["decodable"][0][1]
    assert [place for place, _ in wrong["clipping"]] == ["train/metadata.csv, row 7"]
    assert [place for place, _ in wrong["silence"]] == ["train/metadata.csv, row 9"]
    assert [place for place, _ in wrong["duration"]] == ["test/metadata.csv, row 3"]
    assert wrong["rates"][0][0] == "train/metadata.csv, row 8"
    assert wrong["rates"][0][1].endswith("8000 Hz where most have 4000")
    assert wrong["leakage"][0][1].endswith("equals the training row train/metadata.csv, row 2")
    assert wrong["groups"][0][1].endswith("group 'bob' is also in train")
    assert {name for name in wrong if entries[name]["severity"] == "error"} == {"decodable", "groups", "leakage"}
