"""Rows of identities: divided whole everywhere, numbered, and compared in the pairs that a list names."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graft.catalog import Data, Shift, Study
from graft.errors import DataError
from graft.problems import PROBLEMS
from graft.reading import hold_out, inspect, read, read_shift, sample
from graft.reading.splitting import choose_budget, choose_whole
from graft.study.folds import choose_selection, split
from graft.study.label_curve import draw_part
from tests.faces import face_rows, face_table, write_faces

FACES = PROBLEMS["face-verification"]


def people(table):
    return set(table["identity"].to_pylist())


@pytest.fixture
def folder(tmp_path):
    write_faces(tmp_path / "faces", people=6, each=3, tested=4)
    return tmp_path / "faces"


def listed(folder, text):
    (folder / "test_pairs.csv").write_text(text)
    return read(Data(path=str(folder)), FACES)


def problems_of(folder, text):
    with pytest.raises(DataError) as caught:
        listed(folder, text)
    return [*caught.value.problems]


def test_training_identities_are_numbered_first_and_are_the_labels(folder):
    dataset = read(Data(path=str(folder)), FACES)
    assert dataset.labels == tuple(f"p{number:02}" for number in range(6))
    assert dataset.splits["train"]["person"].to_pylist() == [number for number in range(6) for _ in range(3)]
    assert dataset.splits["test"]["person"].to_pylist() == [6 + number for number in range(4) for _ in range(3)]
    assert "partners" not in dataset.splits["test"].column_names


@given(st.lists(st.integers(1, 5), min_size=6, max_size=12), st.integers(0, 50))
def test_no_identity_is_on_both_sides_of_any_division(sizes, seed):
    names = [f"p{place}" for place, size in enumerate(sizes) for _ in range(size)]
    table = pa.table({"identity": names, "row": range(len(names))})
    kept, held = hold_out(table, 0.3, seed)
    assert people(kept).isdisjoint(people(held))
    assert kept.num_rows + held.num_rows == len(names)
    chosen = choose_selection(table, Data(path="x"), Study())
    folds = [*split(table, chosen, seed)]
    assert len(folds) == (len(sizes) // 2 if len(sizes) < 10 else 5)
    for fold in folds:
        assert people(table.take(fold.train)).isdisjoint(people(table.take(fold.validation)))


@given(st.lists(st.integers(1, 5), min_size=2, max_size=9), st.integers(1, 30), st.integers(0, 50))
def test_budgets_hold_whole_identities_and_samples_all_but_the_last(sizes, most, seed):
    names = [f"p{place}" for place, size in enumerate(sizes) for _ in range(size)]
    paid = choose_budget(names, most, seed)
    assert len(paid) <= most
    for name in {names[row] for row in paid}:
        assert sum(names[row] == name for row in paid) == names.count(name)
    drawn = choose_whole(names, most, seed)
    cut = [
        name for name in {names[row] for row in drawn} if sum(names[row] == name for row in drawn) < names.count(name)
    ]
    assert (len(drawn), len(cut) <= 1) == (min(most, len(names)), True)
    again = draw_part(np.zeros(len(names), np.int64), most, seed, [*range(len(names))])
    assert len(again) == min(most, len(names))


def test_a_test_split_is_made_of_other_people_and_the_budget_of_whole_ones(tmp_path):
    pq.write_table(face_table(10, 3), tmp_path / "faces.parquet")
    dataset = read(Data(path=str(tmp_path / "faces.parquet"), labels=13), FACES)
    train, test = dataset.splits["train"], dataset.splits["test"]
    assert (train.num_rows, test.num_rows) == (12, 6)
    assert people(train).isdisjoint(people(test))
    assert dataset.labels == tuple(sorted(people(train)))
    assert sample(train, 7, 0).num_rows == 7
    with pytest.raises(DataError, match="no two whole identities"):
        read(Data(path=str(tmp_path / "faces.parquet"), labels=5), FACES)


def test_a_group_holds_whole_identities(tmp_path):
    rows = face_rows(8, 2)
    for place, row in enumerate(rows):
        row["family"] = f"f{place // 4}"
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "faces.parquet")
    data = Data(path=str(tmp_path / "faces.parquet"), group="family", test_share=0.5)
    splits = read(data, FACES).splits
    assert set(splits["train"]["group"].to_pylist()).isdisjoint(splits["test"]["group"].to_pylist())
    rows[0]["family"] = "f9"
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "faces.parquet")
    with pytest.raises(DataError) as caught:
        read(data, FACES)
    assert [*caught.value.problems] == ["split 'all': identity 'p00' is in groups 'f0', 'f9'; expected one"]


def test_a_folder_for_each_identity_is_read_with_lists_beside_it(tmp_path):
    for split_name, first in (("train", 0), ("test", 6)):
        for number, row in enumerate(face_rows(6 if split_name == "train" else 3, 2, first, first)):
            place = tmp_path / "faces" / split_name / row["identity"]
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{number % 2}.png").write_bytes(row["image"]["bytes"])
    text = "file_a,file_b,same\ntest/p06/0.png,test/p06/1.png,1\ntest/p06/0.png,test/p07/0.png,0\n"
    dataset = listed(tmp_path / "faces", text)
    assert dataset.splits["test"]["identity"].to_pylist() == ["p06", "p06", "p07", "p07", "p08", "p08"]
    assert dataset.splits["test"]["partners"].to_pylist() == [[1, 2], [], [], [], [], []]
    found = inspect(tmp_path / "faces", "face-verification", labelled=True)
    assert (found.problem, found.columns["identity"]) == ("face-verification", "label")


def test_only_listed_pairs_are_compared(folder):
    dataset = listed(folder, "row_a,row_b,same\n1,0,1\n0,3,0\n")
    assert dataset.splits["test"]["partners"].to_pylist()[:2] == [[1, 3], []]
    assert dataset.splits["test"]["number"].to_pylist() == [*range(12)]
    other = listed(folder, "row_a,row_b\n0,1\n0,4\n")
    assert other.fingerprint != dataset.fingerprint


def test_everything_that_is_wrong_with_a_list_is_said_with_its_line(folder):
    lines = ["row_a,row_b,same", "0,1,1", "0,99,0", "x,1,1", "2,2,1", "1,0,1", "0,2,0", "0,3,1", "0,4,maybe"]
    assert problems_of(folder, "\n".join(lines)) == [
        "test_pairs.csv, line 3: row_b '99' is no test row; expected rows 0 to 11",
        "test_pairs.csv, line 4: row_a 'x' is no test row; expected rows 0 to 11",
        "test_pairs.csv, line 5: 2 is compared with itself",
        "test_pairs.csv, line 6: the same pair as in line 2",
        "test_pairs.csv, line 7: `same` is '0', but both are 'p06'",
        "test_pairs.csv, line 8: `same` is '1', but they are 'p06' and 'p07'",
        "test_pairs.csv, line 9: `same` is 'maybe', expected 0 or 1",
    ]
    assert "the columns are left, right; expected row_a and row_b" in problems_of(folder, "left,right\n0,1\n")[0]
    assert "1 pairs of one identity and 0 of two" in problems_of(folder, "row_a,row_b\n0,1\n")[0]
    (folder / "test.parquet").unlink()
    with pytest.raises(DataError, match="no test split"):
        listed(folder, "row_a,row_b\n0,1\n")


def test_rows_without_an_identity_are_named(tmp_path):
    rows = face_rows(2, 2)
    rows[1]["identity"], rows[3]["identity"] = None, " "
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "faces.parquet")
    with pytest.raises(DataError) as caught:
        read(Data(path=str(tmp_path / "faces.parquet")), FACES)
    assert [problem.split(": ", 1)[0] for problem in caught.value.problems] == [
        "faces.parquet, row 2", "faces.parquet, row 4",
    ]  # fmt: skip


def test_a_shift_set_has_other_people_than_were_trained_on(tmp_path):
    pq.write_table(face_table(3, 2, 5, first=50), tmp_path / "other.parquet")
    known = ("p00", "p01")
    found = read_shift(Shift(path=str(tmp_path / "other.parquet")), FACES, known)
    assert found.splits["test"]["person"].to_pylist() == [2, 2, 3, 3, 4, 4]
    pq.write_table(face_table(3, 2, 5), tmp_path / "other.parquet")
    with pytest.raises(DataError) as caught:
        read_shift(Shift(path=str(tmp_path / "other.parquet")), FACES, known)
    assert [*caught.value.problems] == [
        f"other.parquet, row {row}: identity '{name}' is one of the target's training rows"
        for row, name in ((1, "p00"), (3, "p01"))
    ]


def test_a_list_of_pairs_alone_is_rows(tmp_path):
    (tmp_path / "train_pairs.csv").write_text("text,label\ngood,a\nbad,b\nfine,a\npoor,b\n")
    assert inspect(tmp_path).rows == 4
