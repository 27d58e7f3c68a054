import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from graft.checks.rows import derive
from graft.problems import PROBLEMS
from tests.graft.checks.conftest import noise


def test_texts_are_counted_and_named(sentences):
    rows = derive(sentences([("two words ", 0)], [("one", 1)]), PROBLEMS["text-classification"])
    assert rows[["split", "file", "row", "label", "characters", "words"]].to_numpy().tolist() == [
        ["train", "train.csv", 1, "bad", 9, 2],
        ["test", "test.csv", 1, "good", 3, 1],
    ]
    assert "tokens" not in rows


def test_tokens_are_counted_where_a_tokenizer_exists(sentences, tmp_path):
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "two": 1, "words": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    dataset = sentences([("two words", 0)], [("three words", 1)])
    rows = derive(dataset, PROBLEMS["text-classification"], tmp_path / "tokenizer.json")
    assert rows["tokens"].tolist() == [2, 2]
    assert rows["unknown"].tolist() == [0, 1]


def test_images_are_measured_and_a_corrupt_one_is_a_row_too(pictures):
    rows = derive(pictures([noise(1), b"nonsense"], [noise(2, side=9)]), PROBLEMS["image-classification"])
    assert rows["decodable"].tolist() == [True, False, True]
    assert rows["width"].tolist()[0::2] == [16, 9]
    assert rows["mode"].tolist()[0] == "L"
    assert rows["mean"][0] == pytest.approx(127, abs=20)
    assert rows["hash"].isna().tolist() == [False, True, False]
    assert "no known image format" in rows["what"][1]
