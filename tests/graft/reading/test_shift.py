import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graft.catalog import Shift
from graft.errors import DataError
from graft.manifest import sha256
from graft.problems import PROBLEMS
from graft.reading import path_digest, read_shift

TEXT = PROBLEMS["text-classification"]
LABELS = ("good", "bad", "odd")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path, rows, header="text,label"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]))


def test_labels_are_those_of_the_target_whatever_their_order_and_number(folder):
    write(folder / "shift.csv", ["well done,bad", "not done,odd", "oh no,bad"])
    dataset = read_shift(Shift(path="shift.csv"), TEXT, LABELS)
    assert dataset.splits["test"]["label"].to_pylist() == [1, 2, 1]
    assert dataset.labels == LABELS
    assert dataset.splits["test"]["row"].to_pylist() == [1, 2, 3]


def test_indices_with_names_in_the_file_are_told_by_their_names(folder):
    features = {
        "label": {"names": ["bad", "good"], "_type": "ClassLabel"},
        "text": {"dtype": "string", "_type": "Value"},
    }
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    table = pa.table({"text": ["one text", "two texts"], "label": pa.array([0, 1], pa.int64())})
    pq.write_table(table.replace_schema_metadata(metadata), folder / "shift.parquet")
    dataset = read_shift(Shift(path="shift.parquet"), TEXT, LABELS)
    assert dataset.splits["test"]["label"].to_pylist() == [1, 0]


def test_the_test_split_is_taken_where_there_is_one_and_else_every_row(folder):
    for split in ("train", "test"):
        write(folder / "whole" / f"{split}.csv", [f"a {split} sentence,good"])
    write(folder / "parts" / "train.csv", ["a train sentence,good"])
    write(folder / "parts" / "validation.csv", ["a validation sentence,bad"])
    assert texts(read_shift(Shift(path="whole"), TEXT, LABELS)) == ["a test sentence"]
    assert texts(read_shift(Shift(path="parts"), TEXT, LABELS)) == ["a train sentence", "a validation sentence"]


def test_columns_are_named_where_they_cannot_be_told(folder):
    write(folder / "shift.csv", ["one two,three four,good"], "title,body,kind")
    assert texts(read_shift(Shift(path="shift.csv", columns={"text": "body", "label": "kind"}), TEXT, LABELS)) == [
        "three four"
    ]


def test_every_label_that_the_target_does_not_have_is_named_with_its_first_row(folder):
    write(folder / "shift.csv", ["a b,good", "c d,new", "e f,newer", "g h,new"])
    with pytest.raises(DataError) as error:
        read_shift(Shift(path="shift.csv"), TEXT, LABELS)
    assert error.value.problems == (
        "'new' in 2 row(s), the first is shift.csv, row 2",
        "'newer' in 1 row(s), the first is shift.csv, row 3",
    )
    assert "good, bad, odd" in str(error.value)


def test_files_that_are_not_those_of_the_digest_are_refused(folder):
    write(folder / "shift.csv", ["a b,good"])
    digest = path_digest(folder / "shift.csv")
    assert digest == sha256(folder / "shift.csv")
    read_shift(Shift(path="shift.csv", digest=digest), TEXT, LABELS)
    write(folder / "shift.csv", ["a b,bad"])
    with pytest.raises(DataError, match=r"params\.yaml says"):
        read_shift(Shift(path="shift.csv", digest=digest), TEXT, LABELS)


def test_the_digest_of_a_folder_is_over_names_and_contents(folder):
    write(folder / "set" / "test.csv", ["a b,good"])
    before = path_digest(folder / "set")
    (folder / "set" / "test.csv").rename(folder / "set" / "test-1.csv")
    renamed = path_digest(folder / "set")
    write(folder / "set" / "test-1.csv", ["a b,bad"])
    assert len({before, renamed, path_digest(folder / "set")}) == 3


def texts(dataset):
    return dataset.splits["test"]["text"].to_pylist()
