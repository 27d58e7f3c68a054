"""Plain text: paragraphs are rows, and a note beside other data is no data."""

import pytest

from graft.catalog import Data
from graft.errors import DataError
from graft.problems import PROBLEMS
from graft.reading import inspect, read

PLAY = "First:\nBefore we\tproceed,  \n  hear me.\n\n\n \nAll:\nSpeak.\n"


@pytest.fixture
def plain(tmp_path):
    """Write text files below one folder, and return the folder."""

    def write(**files):
        for name, text in files.items():
            path = tmp_path / "plays" / f"{name.replace('__', '/')}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / "plays"

    return write


def texts(path, problem="text-generation"):
    return read(Data(path=str(path)), PROBLEMS[problem])


def rows(dataset):
    return [row for name in sorted(dataset.splits) for row in dataset.splits[name].to_pylist()]


def test_what_stands_between_blank_lines_is_a_row_with_the_line_it_begins_at(plain):
    found = rows(texts(plain(train=PLAY, test="A.\n\nB.")))
    assert [(row["text"], row["file"], row["row"]) for row in found] == [
        ("A.", "test.txt", 1),
        ("B.", "test.txt", 3),
        ("First:\nBefore we\tproceed,\n  hear me.", "train.txt", 1),
        ("All:\nSpeak.", "train.txt", 7),
    ]


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_lines_of_other_systems_make_the_same_rows(plain, end):
    ours, theirs = (texts(plain(train=PLAY.replace("\n", one), test="A.")).fingerprint for one in ("\n", end))
    assert ours == theirs


def test_splits_are_told_by_files_and_folders(plain):
    found = texts(plain(train__a="A.\n\nB.", train__b="C.", test__a="D."))
    assert {name: table.num_rows for name, table in found.splits.items()} == {"train": 3, "test": 1}


def test_one_file_or_several_without_splits_are_divided(plain):
    folder = plain(a="\n\n".join(f"Line {n}." for n in range(30)), b="\n\n".join(f"Other {n}." for n in range(30)))
    assert sum(table.num_rows for table in texts(folder).splits.values()) == 60
    assert set(texts(folder / "a.txt").splits) == {"train", "test"}


def test_a_byte_order_mark_is_no_text(plain):
    assert rows(texts(plain(train="\ufeffA.", test="B.")))[-1]["text"] == "A."


def test_a_note_beside_rows_or_images_is_no_data(plain, csv, folder):
    csv("text", *(f"line {n}" for n in range(10)), name="plays/rows.csv")
    assert {row["file"] for row in rows(texts(plain(licence="Free.")))} == {"rows.csv"}
    images = folder(cat=3, dog=3)
    (images / "classes.txt").write_text("cat\n\ndog")
    assert inspect(images).problem == "image-classification"


def test_everything_that_is_wrong_with_the_files_is_said_at_once_with_its_place(plain):
    with pytest.raises(DataError) as error:
        texts(plain(train="Fine.\nB\xe4r".encode("latin-1"), validation="", test=" \n\n", dev=b"a\n\nb\0c"))
    assert sorted(error.value.problems) == [
        "dev.txt, line 3: holds a null byte, so it is no text",
        "test.txt: it holds blank lines only; expected paragraphs with a blank line between them",
        "train.txt, line 2, offset 7: byte 0xe4 is not UTF-8; save the file as UTF-8",
        "validation.txt: the file is empty; expected paragraphs with a blank line between them",
    ]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"plays\.txt: no such file or folder"):
        texts(tmp_path / "plays.txt")


def test_unlabelled_text_is_for_hidden_tokens_unless_next_ones_are_asked_for(plain):
    folder = plain(train=PLAY, test="A.")
    found = inspect(folder)
    assert (found.problem, found.rows, found.columns) == ("masked-language-modelling", 3, {"text": "text"})
    assert "`--problem text-generation` would pretrain a decoder such as GPT-2 instead" in found.notes
    assert inspect(folder, unlabelled=["text-generation"]).problem == "text-generation"
    assert inspect(folder, problem="text-generation").problem == "text-generation"


def test_plain_text_has_no_labels(plain):
    with pytest.raises(DataError, match="no column for the label"):
        texts(plain(train=PLAY, test="A."), "text-classification")


def paragraphs(first, count):
    return "\n\n".join(f"Paragraph {n}." for n in range(first, first + count))


def test_the_end_of_the_only_file_becomes_test_and_never_every_fifth_paragraph(plain):
    folder = plain(play=paragraphs(0, 20))
    for path in (folder, folder / "play.txt"):
        found = texts(path)
        assert [row["text"] for row in found.splits["test"].to_pylist()] == [f"Paragraph {n}." for n in range(16, 20)]
        assert found.splits["train"].num_rows == 16
    few = read(Data(path=str(folder), labels=5), PROBLEMS["text-generation"])
    assert [row["row"] for row in few.splits["test"].to_pylist()] == [33, 35, 37, 39]  # the budget takes none of it
    assert few.splits["train"].num_rows == 5
    assert (
        "no test split: one is made of the end of the file (`test_share`)" in inspect(folder, "text-generation").notes
    )


def test_whole_files_become_test(plain):
    found = texts(plain(**{name: paragraphs(10 * n, 10) for n, name in enumerate("abcdefghij")}))
    sides = [{row["file"] for row in found.splits[split].to_pylist()} for split in ("train", "test")]
    assert [len(files) for files in sides] == [8, 2]
    assert not sides[0] & sides[1]


def test_hidden_tokens_and_rows_of_tables_are_drawn_as_ever(plain, csv):
    hidden = texts(plain(play=paragraphs(0, 20)), "masked-language-modelling")
    table = texts(csv("text", *(f"line {n}" for n in range(20)), name="plays/rows.csv"))
    for found, last in ((hidden, 39), (table, 20)):
        numbers = [row["row"] for row in found.splits["test"].to_pylist()]
        assert 0 < len(numbers) < 10
        assert last not in numbers


def test_a_target_of_text_without_labels_is_told_what_it_could_be(plain):
    with pytest.raises(DataError, match="--problem text-generation"):
        inspect(plain(train=PLAY, test="A."), labelled=True)
