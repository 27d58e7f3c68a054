"""Asking a registered model, and being told everything that is wrong with the question."""

import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from graft.catalog import Gates
from graft.errors import BadInput
from graft.problems.sampling import Sampling
from graft.reading import MEDIA
from graft.registry import Candidate, Registry, predict, publish
from graft.registry.package import load
from graft.storage import MemoryStore
from tests.graft.registry.packages import METRICS, RESNET, build_package, save_network


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
    shares = load(words.package("words@1")).probabilities(pa.table({"text": ["the cat"]}))
    (found,) = predict("words@1", ["the cat"], words)
    assert list(found.probabilities.values()) == pytest.approx(shares[0].tolist(), abs=1e-6)


def test_a_text_file_holds_one_text_per_line(words, tmp_path):
    (tmp_path / "texts.txt").write_text("the cat\n\n  the oak\n")
    found = predict("words", ["the owl", str(tmp_path / "texts.txt")], words)
    assert [prediction.input for prediction in found] == ["the owl", "the cat", "the oak"]


def test_a_text_file_may_begin_with_a_byte_order_mark_and_is_parted_at_its_lines_only(words, tmp_path):
    path = tmp_path / "texts.txt"
    path.write_bytes("\ufeffa fine\u2028day\r\na foul day\r\n".encode())
    assert [one.input for one in predict("words", [str(path)], words)] == ["a fine\u2028day", "a foul day"]


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


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """A registry with a tiny ResNet that reads images."""
    folder, kind = tmp_path_factory.mktemp("scans"), "image-classification"
    table = MEDIA["image"].table([png(seed) for seed in range(8)]).append_column("label", pa.array([0, 1] * 4))
    network = save_network(folder / "network", kind, RESNET, table)
    package = build_package(folder / "package", network, [True] * 4, problem=kind, table=table, target="scans")
    registry = Registry(MemoryStore(), folder / "cache")
    assert publish(registry, Candidate("scans", package, METRICS, Gates(), list)).promoted
    return registry


def png(seed, mode="L", side=8):
    stream = io.BytesIO()
    shape = (side, side) if mode == "L" else (side, side, 3)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def test_images_of_any_size_and_mode_are_predicted_by_their_paths(scans, tmp_path):
    for number, (mode, side) in enumerate([("L", 8), ("RGB", 20)]):
        (tmp_path / f"{number}.png").write_bytes(png(number, mode, side))
    first, second = predict("scans", [str(tmp_path / "0.png"), str(tmp_path / "1.png")], scans)
    assert first.input.endswith("0.png")
    assert {first.label, second.label} <= {"animal", "plant"}
    assert sum(second.probabilities.values()) == pytest.approx(1)
    assert scans.verify("scans").golden == 5


def test_every_unusable_image_is_named_at_once(scans, tmp_path):
    (tmp_path / "good.png").write_bytes(png(0))
    (tmp_path / "cut.png").write_bytes(png(0, side=64)[:-200])
    (tmp_path / "notes.png").write_text("not a picture")
    given = [str(tmp_path / name) for name in ("good.png", "cut.png", "notes.png", "missing.png", ".")]
    with pytest.raises(BadInput) as refusal:
        predict("scans", given, scans)
    assert len(refusal.value.problems) == 4
    for name, reason in (("cut.png", "not an image"), ("notes.png", "not an image"), ("missing.png", "no such file")):
        assert any(name in problem and reason in problem for problem in refusal.value.problems)
    assert "a folder, expected an image file" in str(refusal.value)


def test_a_name_that_no_file_can_have_is_no_bug(scans):
    with pytest.raises(BadInput, match="File name too long"):
        predict("scans", ["a" * 300], scans)


def test_a_model_that_writes_no_texts_is_not_asked_how(words):
    with pytest.raises(BadInput, match="this model is for text-classification, which writes none"):
        predict("words", ["the cat"], words, sampling=Sampling())
