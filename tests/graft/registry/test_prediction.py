"""Asking a registered model, and being told everything that is wrong with the question."""

import pytest

from graft.errors import BadInput
from graft.registry import predict, publish
from graft.registry.package import load


@pytest.fixture
def words(registry, make_package, candidate):
    publish(registry, candidate(make_package("one", [True] * 4)))
    return registry


def test_a_text_gets_its_likeliest_label_and_all_probabilities(words):
    first, second = predict("words", ["the cat", " the oak "], words)
    assert first.label in ("animal", "plant")
    assert first.probabilities[first.label] == first.probability == max(first.probabilities.values())
    assert sum(second.probabilities.values()) == pytest.approx(1)
    assert second.input == "the oak"
    assert first.note == ""


def test_predictions_are_those_of_the_package(words):
    import pyarrow as pa

    shares = load(words.package("words@1")).probabilities(pa.table({"text": ["the cat"]}))
    (found,) = predict("words@1", ["the cat"], words)
    assert list(found.probabilities.values()) == pytest.approx(shares[0].tolist(), abs=1e-6)


def test_a_text_file_holds_one_text_per_line(words, tmp_path):
    (tmp_path / "texts.txt").write_text("the cat\n\n  the oak\n")
    found = predict("words", ["the owl", str(tmp_path / "texts.txt")], words)
    assert [prediction.input for prediction in found] == ["the owl", "the cat", "the oak"]


def test_a_text_that_merely_mentions_a_file_is_a_text(words):
    assert predict("words", ["see notes.txt"], words)[0].input == "see notes.txt"


def test_a_text_too_long_for_the_model_is_cut_and_noted(words):
    short, long = predict("words", ["the cat", "the cat " * 30], words)
    assert short.note == ""
    assert long.note == "cut: 8 of 62 tokens were read"


def test_every_unusable_text_is_named_at_once(words, tmp_path):
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "latin.txt").write_bytes("Bärlauch".encode("latin-1"))
    given = ["fine", "  ", str(tmp_path / "empty.txt"), str(tmp_path / "latin.txt"), "missing.txt"]
    with pytest.raises(BadInput) as refusal:
        predict("words", given, words)
    assert refusal.value.exit_code == 2
    assert len(refusal.value.problems) == 4
    for words_ in ("text 2: empty", "holds no text", "not UTF-8", "missing.txt: No such file"):
        assert words_ in str(refusal.value)


def test_no_input_at_all_is_said(words):
    with pytest.raises(BadInput, match="nothing to predict"):
        predict("words", [], words)
