"""What other people's folders and files are like, and what must not quietly become of them."""

import json
import unicodedata

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from graft.errors import DataError
from graft.reading import inspect
from graft.reading.images import convert_image, open_image
from tests.graft.reading.conftest import png


@pytest.mark.parametrize("left", [".thumbnails", "__MACOSX", "@eaDir", "cat/.ipynb_checkpoints", "__MACOSX/cat"])
def test_what_systems_leave_in_a_folder_is_neither_a_class_nor_a_row(folder, images, left):
    path = folder(cat=4, dog=4)
    (path / left).mkdir(parents=True)
    (path / left / "copy.png").write_bytes(png(250))
    (path / ".DS_Store").write_bytes(b"x")
    found = images(path)
    assert found.labels == ("cat", "dog")
    assert sum(table.num_rows for table in found.splits.values()) == 8


def test_what_lies_beside_train_and_test_makes_no_classes_of_them(folder, images):
    path = folder(**{"train/cat": 3, "train/dog": 3, "test/cat": 2, "test/dog": 2, "docs": 1})
    with pytest.raises(DataError, match="docs: neither train, validation nor test"):
        images(path)


def test_splits_by_another_name_are_no_classes(folder, images):
    path = folder(**{"train_images/cat": 3, "train_images/dog": 3, "test_images/cat": 2, "test_images/dog": 2})
    with pytest.raises(DataError, match="test_images: neither train, validation nor test"):
        images(path)


def test_a_train_beside_other_vehicles_is_a_class(folder, images):
    assert images(folder(train=4, plane=4)).labels == ("plane", "train")


def test_a_class_folder_that_is_a_link_is_read_and_a_circle_ends(folder, images, tmp_path):
    path = folder(cat=4, dog=4)
    away = tmp_path / "away"
    away.mkdir()
    for shade in range(4):
        (away / f"{shade}.png").write_bytes(png(200 + shade))
    (path / "bird").symlink_to(away)
    (path / "dog" / "again").symlink_to(path)
    found = images(path)
    assert found.labels == ("bird", "cat", "dog")
    assert sum(table.num_rows for table in found.splits.values()) == 12


def test_a_class_of_files_that_cannot_be_read_is_an_error_and_single_ones_are_noted(folder, images):
    path = folder(cat=4, dog=4)
    (path / "dog" / "scan.heic").write_bytes(b"x")
    (path / "cat" / "scan").write_bytes(b"x")
    (path / "fox").mkdir()
    notes = " ".join(inspect(path).notes)
    assert "2 file(s) are not of a known suffix and were not read: 1 with" in notes
    assert "no class is made of the empty folder(s) fox" in notes
    (path / "fox" / "a.heic").write_bytes(b"x")
    with pytest.raises(DataError, match=r"fox: none of its 1 file\(s\) is an image of a known suffix \(\.heic\)"):
        images(path)


def test_labels_that_look_the_same_are_one(csv, texts):
    names = [unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD")]
    rows = [f"a row of words {n},{[*names, 'tea'][n % 3]}" for n in range(30)]
    assert texts(csv("text,label", *rows)).labels == ("caf\u00e9", "tea")


def test_a_name_of_a_label_column_that_is_one_of_its_labels_may_be_a_row(csv):
    rows = [f"a row of words {n},{['good', 'bad'][n % 2]}" for n in range(12)]
    assert any("is the first line of the file one with names?" in note for note in inspect(csv(*rows)).notes)
    assert not any("first line" in note for note in inspect(csv("text,label", *rows)).notes)


def test_old_line_ends_and_blank_lines_before_the_header_are_read(tmp_path, texts):
    rows = [f"a row of words {n},{n % 2}" for n in range(12)]
    for name, text in (("mac", "\r".join(["text,label", *rows])), ("led", "\n\r\n" + "\n".join(["text,label", *rows]))):
        path = tmp_path / f"{name}.csv"
        path.write_bytes(text.encode())
        assert sum(table.num_rows for table in texts(path).splits.values()) == 12


def test_a_column_that_nobody_asked_for_may_hold_anything(tmp_path, texts):
    path = tmp_path / "rows.jsonl"
    rows = [{"text": f"a row of words {n}", "label": n % 2, "id": 10**30 + n, "more": [1, "a"]} for n in range(12)]
    path.write_text("\n".join(map(json.dumps, rows)))
    assert texts(path).labels == ("0", "1")
    with pytest.raises(DataError, match=r"labels in 'id' are of several types .*too large"):
        texts(path, columns={"label": "id"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "maximum recursion depth"),
        ('{"data": ["x"]}', "not as SQuAD has it"),
        ('{"data": [{"paragraphs": [{"context": "c", "qas": ["q"]}]}]}', "not as SQuAD has it"),
        ('{"data": [{"paragraphs": null}]}', "not as SQuAD has it"),
    ],
)
def test_json_of_another_make_is_a_message(tmp_path, texts, text, message):
    path = tmp_path / "rows.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        texts(path)


def test_categories_of_pandas_are_read_as_what_they_are(tmp_path, texts):
    rows = {"text": [f"a row of words {n}" for n in range(12)], "label": ["b", "a"] * 6}
    path = tmp_path / "rows.parquet"
    pd.DataFrame(rows).astype("category").to_parquet(path)
    assert texts(path).labels == ("a", "b")


@pytest.mark.parametrize("path", ["a" * 300, "/dev/null"])
def test_a_path_that_holds_no_data_is_said(texts, path):
    with pytest.raises(DataError, match=r"no such file or folder|neither a file nor a folder"):
        texts(path)


def test_an_empty_split_is_called_empty(csv, texts):
    with pytest.raises(DataError, match="row 2: split is empty, expected train"):
        texts(csv("text,label,split", "some words,a,train", "more words,b,"))


@pytest.mark.parametrize(
    ("values", "said"),
    [(np.array([[0.0, 0.5]], np.float32), "0 to 0.5"), (np.array([[0, 2**20]], np.int32), "0 to 1.04858e.06")],
)
def test_values_that_8_or_16_bits_would_cut_off_are_refused(tmp_path, values, said):
    path = tmp_path / "scan.tiff"
    Image.fromarray(values).save(path)
    with pytest.raises(DataError, match=f"its values are from {said}; save it with 8 or 16 bits"):
        open_image({"bytes": None, "path": str(path)})


def test_lab_colours_have_a_grey(tmp_path):
    path = tmp_path / "scan.tiff"
    Image.new("RGB", (4, 4), (200, 200, 200)).convert("LAB").save(path)
    grey = convert_image(open_image({"bytes": None, "path": str(path)}), "L")
    assert abs(grey.getpixel((0, 0)) - 200) <= 2


BOXES = {
    "images": [{"id": "a", "file_name": "a.png", "width": 8, "height": 8}],
    "annotations": [{"id": 1, "image_id": "a", "category_id": 1, "bbox": [0, 0, 4, 4]}],
    "categories": [{"id": 1, "name": "cat"}],
}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"categories": [{"id": 1, "name": "cat"}, {"id": 1, "name": "dog"}]},
            "category 2: id 1 is of 'cat' and of 'dog'",
        ),
        ({"categories": None}, "annotation 1: category_id 1; the categories are none"),
        ({"categories": ["cat"]}, "category 1: expected an id and a name"),
        ({"images": [{"id": ["a"], "file_name": "a.png"}]}, "image 1: expected an id and a file_name"),
    ],
)
def test_boxes_of_another_make_are_a_message(tmp_path, changed, said):
    (tmp_path / "a.png").write_bytes(png(9))
    (tmp_path / "boxes.json").write_text(json.dumps(BOXES | changed))
    with pytest.raises(DataError, match=said):
        inspect(tmp_path)
