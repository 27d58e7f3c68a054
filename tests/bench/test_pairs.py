import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench import pairs, sources
from graft.catalog import Data
from graft.problems import PROBLEMS

TEXT = "text-classification"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """60 sentences that are all different, 40 to train on and 20 for test."""
    texts = [f"sentence number {number}" for number in range(60)]
    table = pa.table({"text": texts, "label": [("bad", "good")[number % 2] for number in range(60)]})
    (tmp_path / "data").mkdir()
    pq.write_table(table.slice(0, 40), tmp_path / "data" / "train.parquet")
    pq.write_table(table.slice(40), tmp_path / "data" / "test.parquet")
    monkeypatch.setattr(sources, "real", lambda name: tmp_path / "data")
    monkeypatch.setattr(sources, "KEPT", tmp_path / "kept")
    return tmp_path


def test_wrong_labels_are_the_right_ones_dealt_out_anew_and_what_is_watched_is_among_what_is_learnt(folder):
    made = sources.shuffled("sentences", TEXT)
    train, watched = (pq.read_table(made / f"{split}.parquet") for split in ("train", "validation"))
    right = pq.read_table(folder / "data" / "train.parquet")
    assert train["text"] == right["text"]
    assert sorted(train["label"].to_pylist()) == sorted(right["label"].to_pylist())
    assert train["label"] != right["label"]
    assert set(map(str, watched.to_pylist())) <= set(map(str, train.to_pylist()))
    assert sources.shuffled("sentences", TEXT) == made  # it is there, and not made again


def test_no_row_is_labelled_tested_and_true_at_once_and_the_splits_are_mixed(folder, monkeypatch):
    monkeypatch.setattr(pairs, "TEST_ROWS", 15)
    monkeypatch.setattr(pairs, "TRUTH_ROWS", 20)
    data = Data(path=str(folder / "data"), labels_per_class=4, seed=1)
    train, (test, truth), labels = pairs._deal(data, PROBLEMS[TEXT])
    texts = [set(part["text"].to_pylist()) for part in (train, test, truth)]
    assert [len(part) for part in texts] == [8, 15, 20]
    assert len(set.union(*texts)) == 43
    assert labels == ("bad", "good")
    numbers = [int(text.split()[-1]) for text in texts[2]]
    assert min(numbers) < 40 <= max(numbers)


def test_every_pair_has_its_source_and_there_are_eight_at_least():
    assert {pair.source for pair in pairs.PAIRS} == set(sources.RECIPES)
    assert len(pairs.PAIRS) >= 8
