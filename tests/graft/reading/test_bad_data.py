"""Each kind of bad input: one message that names everything, where it is, and what to do."""

import pytest

from graft.errors import DataError


def problems(read, path, **options) -> str:
    with pytest.raises(DataError) as error:
        read(path, **options)
    return str(error.value)


def test_missing_folder(tmp_path, texts):
    assert "no such file or folder" in problems(texts, tmp_path / "nowhere")


def test_a_hub_id_that_is_not_here_says_how_to_fetch_it(texts):
    assert "fetch it once with `graft new`" in problems(texts, "stanfordnlp/sst2")


def test_empty_folder(tmp_path, texts):
    message = problems(texts, tmp_path)
    assert "the folder is empty" in message
    assert "Expected parquet, CSV" in message


def test_csv_without_the_label_column_says_which_there_are_and_how_to_name_one(csv, texts):
    message = problems(texts, csv("text,when", "some words,1", "other words,2"))
    assert "no column for the label; the columns are text, when" in message
    assert "`columns: {label: ...}`" in message


def test_a_column_of_the_catalogue_that_is_not_there(csv, texts):
    message = problems(texts, csv("text,label", "some words,1"), columns={"label": "kind"}, group="author")
    assert "columns.label: no column 'kind'" in message
    assert "data.group: no column 'author'" in message


def test_several_candidates_are_listed(csv, texts):
    message = problems(texts, csv("review,comment,label", "a b,c d,x"))
    assert "several columns may be the text: review, comment" in message


def test_text_nulls_are_listed_by_row(csv, texts):
    message = problems(texts, csv("text,label", "a b,x", ",y", "c d,x", ",y"))
    assert "rows.csv, row 2: 'text' is empty" in message
    assert "rows.csv, row 4: 'text' is empty" in message


def test_missing_labels_are_listed_by_row(csv, texts):
    assert "rows.csv, row 2: no label in 'label' (empty)" in problems(texts, csv("text,label", "a b,x", "c d,"))


def test_text_nulls_in_parquet_and_missing_labels_are_said_together(parquet, texts):
    message = problems(texts, parquet(text=["a b", None, "c d"], label=["x", "y", None]))
    assert "rows.parquet, row 2: 'text' is empty" in message
    assert "rows.parquet, row 3: no label" in message


def test_lines_with_too_many_values_are_named_by_line(csv, texts):
    message = problems(texts, csv("text,label", "a b,x", "c, d,y", "e f,x", "g,h,i,j"))
    assert "rows.csv, line 3: 3 values, the header has 2" in message
    assert "rows.csv, line 5: 4 values, the header has 2" in message


def test_what_is_wrong_with_lines_and_with_values_is_said_together(csv, texts):
    message = problems(texts, csv("text,label", "a b,x", "c, d,y", ",x", "g h,"))
    assert "rows.csv, line 3: 3 values, the header has 2" in message
    assert "rows.csv, row 3: 'text' is empty" in message


def test_a_repeated_column_name(csv, texts):
    assert "the header has 'text' more than once" in problems(texts, csv("text,text,label", "a,b,c"))


def test_a_file_that_is_not_utf8_is_named_with_line_and_byte(tmp_path, texts):
    (tmp_path / "rows.csv").write_bytes("text,label\na b,x\ncafé au lait,y\n".encode("latin-1"))
    message = problems(texts, tmp_path / "rows.csv")
    assert "rows.csv, line 3, offset 20: byte 0xe9 is not UTF-8" in message


def test_a_byte_order_mark_is_not_part_of_the_first_column(tmp_path, texts):
    lines = ["text,label", *(f"words {n},{'ab'[n % 2]}" for n in range(10))]
    (tmp_path / "rows.csv").write_text("\n".join(lines), encoding="utf-8-sig")
    assert texts(tmp_path / "rows.csv").labels == ("a", "b")


def test_json_lines_that_are_broken_and_labels_of_several_types(tmp_path, texts):
    (tmp_path / "broken.jsonl").write_text('{"text": "a b", "label": 1}\n{"text": \n[1]\n')
    message = problems(texts, tmp_path / "broken.jsonl")
    assert "broken.jsonl, line 2: expected one JSON object" in message
    assert "broken.jsonl, line 3: expected one JSON object (found list)" in message
    (tmp_path / "mixed.jsonl").write_text('{"text": "a b", "label": 1}\n{"text": "c d", "label": "1"}\n')
    assert "of several types (int in 1 row(s), str in 1 row(s))" in problems(texts, tmp_path / "mixed.jsonl")


def test_an_empty_split_is_named(csv, texts, tmp_path):
    csv("text,label", "a b,x", "c d,y", name="set/train.csv")
    csv("text,label", name="set/test.csv")
    assert "split 'test': no rows" in problems(texts, tmp_path / "set")


def test_a_split_that_lacks_a_column_is_named(csv, texts, tmp_path):
    csv("text,label", "a b,x", "c d,y", name="set/train.csv")
    csv("text,kind", "a b,x", name="set/test.csv")
    assert "test.csv: no column 'label'; the columns are text, kind" in problems(texts, tmp_path / "set")


def test_every_class_with_too_few_rows_is_listed(csv, texts):
    message = problems(texts, csv("text,label", "a b,x", "c d,y", "e f,z", "g h,z", "i j,z"), labels_per_class=2)
    assert "class 'x' has 1 row(s), fewer than labels_per_class: 2" in message
    assert "class 'y' has 1 row(s)" in message
    assert "class 'z'" not in message


def test_a_budget_that_leaves_no_test_rows(csv, texts):
    message = problems(texts, csv("text,label", "a b,x", "c d,y"), labels_per_class=1)
    assert "nothing is left for test" in message


def test_a_class_in_one_group_only_cannot_be_divided(csv, texts):
    path = csv("text,label,author", *(f"words {n},x,one" for n in range(4)), *(f"more {n},y,two" for n in range(4)))
    assert "cannot be divided so that every class keeps training rows" in problems(texts, path, group="author")


def test_parts_without_a_split_beside_parts_with_one(csv, texts, tmp_path):
    csv("text,label", "a b,x", name="set/train.csv")
    csv("text,label", "a b,x", name="set/extra.csv")
    assert "extra.csv: neither train, validation nor test" in problems(texts, tmp_path / "set")


def test_test_rows_alone_are_no_dataset(csv, texts, tmp_path):
    csv("text,label", "a b,x", name="set/test.csv")
    assert "no training rows: the splits are test" in problems(texts, tmp_path / "set")


def test_images_outside_of_class_folders_are_listed(folder, images):
    root = folder(cat=1, dog=1)
    (root / "stray.png").write_bytes((root / "cat" / "0.png").read_bytes())
    assert "stray.png: lies in no class folder" in problems(images, root)


def test_a_damaged_parquet_file_is_named(tmp_path, texts):
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 not really")
    assert "rows.parquet: cannot be read as parquet" in problems(texts, tmp_path / "rows.parquet")


def test_a_split_column_with_an_unknown_name(csv, texts):
    message = problems(texts, csv("text,label,split", "a b,x,train", "c d,y,holdout"))
    assert "rows.csv, row 2: split 'holdout', expected train, validation or test" in message
