import json

import pyarrow as pa
import pytest

from graft.catalog import Data
from graft.errors import DataError
from graft.problems import PROBLEMS
from graft.reading import open_image, read
from tests.graft.reading.conftest import png

ROWS = [f"sentence number {n},{'ab'[n % 2]}" for n in range(20)]


def test_every_format_of_the_same_rows_gives_the_same_dataset(tmp_path, texts, csv, parquet):
    import datasets

    sentences = [f"sentence number {n}" for n in range(20)]
    labels = ["ab"[n % 2] for n in range(20)]
    records = [{"text": text, "label": label} for text, label in zip(sentences, labels, strict=True)]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(record) for record in records))
    (tmp_path / "rows.json").write_text(json.dumps(records))
    datasets.Dataset.from_list(records).save_to_disk(tmp_path / "saved")
    (tmp_path / "rows.tsv").write_text("text\tlabel\n" + "\n".join(f"{r['text']}\t{r['label']}" for r in records))
    paths = [csv("text,label", *ROWS), parquet(text=sentences, label=labels)]
    paths += [tmp_path / name for name in ("rows.jsonl", "rows.json", "saved", "rows.tsv")]
    found = [texts(path) for path in paths]
    assert len({dataset.fingerprint for dataset in found}) == 1
    assert found[0].labels == ("a", "b")
    assert found[0].splits["train"].num_rows + found[0].splits["test"].num_rows == 20


def test_saved_dataset_dictionaries_keep_their_splits_and_class_names(tmp_path, texts):
    import datasets

    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])})
    split = datasets.Dataset.from_dict({"text": ["a b", "c d"], "label": [1, 0]}, features=features)
    other = datasets.Dataset.from_dict({"text": ["e f", "g h"], "label": [0, 1]}, features=features)
    datasets.DatasetDict({"train": split, "validation": other, "test": other}).save_to_disk(tmp_path / "saved")
    dataset = texts(tmp_path / "saved")
    assert set(dataset.splits) == {"train", "validation", "test"}
    assert dataset.labels == ("no", "yes")
    assert dataset.splits["train"]["label"].to_pylist() == [1, 0]


def test_class_names_travel_with_hugging_face_parquet_and_absent_classes_are_left_out(parquet, texts):
    names = {"info": {"features": {"label": {"names": ["zero", "one", "two"], "_type": "ClassLabel"}}}}
    path = parquet(
        metadata={"huggingface": json.dumps(names)}, text=[f"text {n}" for n in range(20)], label=[2, 0] * 10
    )
    dataset = texts(path)
    assert dataset.labels == ("zero", "two")


def test_number_labels_are_sorted_as_numbers(csv, texts):
    path = csv("text,label", *(f"some text {n},{(2, 10)[n % 2]}" for n in range(10)))
    assert texts(path).labels == ("2", "10")


def test_a_leading_zero_and_the_word_NA_stay_what_they_are(csv, texts):  # noqa: N802
    path = csv("text,label", *(f"{('NA', 'null value')[n % 2]} {n},{('007', 'NA')[n % 2]}" for n in range(10)))
    assert texts(path).labels == ("007", "NA")


def test_splits_in_files_are_kept_with_their_usual_names(csv, texts, tmp_path):
    csv("text,label", "a b,x", "c d,y", name="set/training.csv")
    csv("text,label", "e f,x", "g h,y", name="set/dev.csv")
    csv("text,label", "i j,x", "k l,y", "m n,y", name="set/test-00000-of-00002.csv")
    csv("text,label", "o p,x", name="set/test-00001-of-00002.csv")
    dataset = texts(tmp_path / "set")
    assert {name: table.num_rows for name, table in dataset.splits.items()} == {"train": 2, "validation": 2, "test": 4}
    assert dataset.splits["test"]["file"].to_pylist()[-1] == "test-00001-of-00002.csv"
    assert dataset.splits["test"]["row"].to_pylist() == [1, 2, 3, 1]


def test_a_split_column_divides_one_file(csv, texts):
    dataset = texts(csv("text,label,split", "a b,x,train", "c d,y,train", "e f,x,test", "g h,y,val"))
    assert {name: table.num_rows for name, table in dataset.splits.items()} == {"train": 2, "test": 1, "validation": 1}


def test_columns_named_in_the_catalogue_win(csv, texts):
    path = csv("text,label,body,kind", *(f"title,{n},body of {n},{'ab'[n % 2]}" for n in range(10)))
    dataset = texts(path, columns={"text": "body", "label": "kind"})
    assert dataset.labels == ("a", "b")
    assert dataset.splits["train"]["text"].to_pylist()[0].startswith("body of")


def test_image_folders_with_and_without_splits(folder, images):
    dataset = images(folder(cat=5, dog=5), labels_per_class=2)
    assert dataset.labels == ("cat", "dog")
    assert dataset.splits["train"].num_rows == 4
    assert dataset.splits["test"].num_rows == 6
    assert set(dataset.splits["test"]["row"].to_pylist()) == {0}


def test_an_image_folder_may_be_named_relative_to_the_working_folder(folder, images, tmp_path, monkeypatch):
    root = folder(cat=3, dog=3)
    monkeypatch.chdir(tmp_path.parent)
    dataset = images(root.relative_to(tmp_path.parent), labels_per_class=1)
    assert dataset.splits["train"].num_rows == 2
    assert open_image(dataset.splits["test"]["image"][0].as_py()).size == (8, 8)


def test_image_folders_may_name_their_splits(folder, images):
    dataset = images(folder(train__cat=2, train__dog=2, test__cat=1, test__dog=1))
    assert {name: table.num_rows for name, table in dataset.splits.items()} == {"train": 4, "test": 2}
    assert dataset.splits["test"]["file"].to_pylist() == ["test/cat/0.png", "test/dog/0.png"]


def test_a_table_may_name_image_files_beside_it(tmp_path, images):
    (tmp_path / "pictures").mkdir()
    lines = ["picture,kind"]
    for shade in range(6):
        (tmp_path / "pictures" / f"{shade}.png").write_bytes(png(shade))
        lines.append(f"pictures/{shade}.png,{'ab'[shade % 2]}")
    (tmp_path / "index.csv").write_text("\n".join(lines))
    dataset = images(tmp_path, labels_per_class=1)
    assert dataset.labels == ("a", "b")
    assert open_image(dataset.splits["test"]["image"][0].as_py()).size == (8, 8)


def test_a_missing_image_file_is_named_with_its_row(tmp_path, images):
    (tmp_path / "index.csv").write_text("image,label\na.png,x\nb.png,y\n")
    with pytest.raises(DataError) as error:
        images(tmp_path)
    assert [text for text in error.value.problems if "index.csv, row 2: no image file" in text]
    assert len(error.value.problems) == 2


def test_the_fingerprint_knows_content_not_files(folder, images, tmp_path):
    root = folder(train__a=2, train__b=2, test__a=1, test__b=1)
    before = images(root).fingerprint
    (root / "train" / "a" / "0.png").rename(root / "train" / "a" / "00.png")
    assert images(root).fingerprint == before
    (root / "train" / "a" / "1.png").write_bytes(png(200))
    assert images(root).fingerprint != before


def test_text_without_labels_is_enough_for_masked_language_modelling(csv):
    dataset = read(
        Data(path=str(csv("text", *(f"line {n}" for n in range(10))))), PROBLEMS["masked-language-modelling"]
    )
    assert dataset.labels == ()
    assert set(dataset.splits["train"].column_names) == {"text", "file", "row"}


def test_groups_are_on_one_side_and_train_has_the_budget_of_each_class(csv, texts):
    rows = [f"text number {n},{'ab'[n % 2]},group {n // 4}" for n in range(80)]
    dataset = texts(csv("text,label,author", *rows), group="author", labels_per_class=3, test_share=0.4)
    train, test = dataset.splits["train"], dataset.splits["test"]
    assert not set(train["group"].to_pylist()) & set(test["group"].to_pylist())
    assert sorted(train["label"].to_pylist()) == [0, 0, 0, 1, 1, 1]
    assert test.num_rows == 32


def test_a_made_test_part_holds_no_input_of_the_training_part(csv, texts):
    rows = [f"text number {n % 30},{'ab'[n % 2]}" for n in range(60)]
    dataset = texts(csv("text,label", *rows), labels_per_class=5)
    seen = set(dataset.splits["train"]["text"].to_pylist())
    assert dataset.splits["test"].num_rows
    assert not seen & set(dataset.splits["test"]["text"].to_pylist())


def test_given_training_rows_beyond_the_budget_are_left_out(csv, texts, tmp_path):
    csv("text,label", *ROWS, name="set/train.csv")
    csv("text,label", "other words,a", "more words,b", name="set/test.csv")
    dataset = texts(tmp_path / "set", labels_per_class=4)
    assert (dataset.splits["train"].num_rows, dataset.splits["test"].num_rows) == (8, 2)


def test_a_parquet_image_may_be_plain_bytes(parquet, images):
    path = parquet(scan=[png(n) for n in range(10)], finding=["ill", "well"] * 5)
    dataset = images(path)
    assert dataset.labels == ("ill", "well")
    assert pa.types.is_struct(dataset.splits["train"]["image"].type)
