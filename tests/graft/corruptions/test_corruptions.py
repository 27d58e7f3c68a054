"""Every corruption of every family by the same claims; those that hold for one only come last."""

from difflib import SequenceMatcher
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from graft.corruptions import FAMILIES, SEVERITIES, corrupt, open_inputs
from graft.corruptions.images import PICTURES, reduce_picture, write_picture
from graft.corruptions.texts import SENTENCES
from graft.problems import PROBLEMS
from graft.reading import MEDIA, open_image
from graft.reading.cells import FILE
from tests.sounds import tone, wav

SENTENCE = "The quick brown fox jumps over\n a lazy Dog, then it runs back to every green hill it knows."


def picture(seed, mode="RGB", size=(64, 64)):
    """Dead leaves, which have the edges and the spectrum of photographs (Lee, Mumford and Huang 2001)."""
    rng = np.random.default_rng(seed)
    pixels = np.empty((size[1], size[0], 3), dtype=np.uint8)
    for share in np.geomspace(2, 0.05, 120):
        width, height = (max(1, round(share * side * rng.uniform(0.5, 1))) for side in size)
        left, top = rng.integers(-width, size[0]), rng.integers(-height, size[1])
        place = (slice(max(top, 0), top + height), slice(max(left, 0), left + width))
        pixels[place] = rng.integers(20, 180, 3)
    return Image.fromarray(pixels).convert(mode)


def sentence(seed):
    words = SENTENCE.split()
    return " ".join(np.random.default_rng(seed).permutation(words))


def draws(seed=0):
    return np.random.default_rng(seed)


def image_distance(image, other):
    return float(np.abs(np.asarray(image).astype(int) - np.asarray(other).astype(int)).mean())


def text_distance(text, other):
    return 1 - SequenceMatcher(None, text, other, autojunk=False).ratio()


@pytest.mark.parametrize("size", [(8, 8), (16, 11), (64, 64), (300, 240)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("name", PICTURES)
def test_an_image_is_changed_and_keeps_its_size_and_mode(name, mode, size):
    image = picture(1, mode, size)
    before = image.tobytes()
    for severity in SEVERITIES:
        found = PICTURES[name](image, severity, draws())
        assert (found.size, found.mode) == (image.size, mode)
        assert found.tobytes() != before
    assert image.tobytes() == before


@pytest.mark.parametrize("size", [(8, 8), (64, 64), (256, 256)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("name", PICTURES)
def test_images_differ_the_more_the_higher_the_severity(name, mode, size):
    images = [picture(seed, mode, size) for seed in range(12)]
    means = [
        np.mean([image_distance(PICTURES[name](image, severity, draws(7)), image) for image in images])
        for severity in SEVERITIES
    ]
    # two severities may keep the same number of pixels of a tiny image, or of its JPEG coefficients
    assert np.all(np.diff(means) > -0.01 * means[0])
    assert means[-1] > 1.1 * means[0]


@pytest.mark.parametrize("name", SENTENCES)
def test_texts_differ_the_more_the_higher_the_severity(name):
    texts = [sentence(seed) for seed in range(40)]
    means = [
        np.mean([text_distance(SENTENCES[name](text, severity, draws(7)), text) for text in texts])
        for severity in SEVERITIES
    ]
    assert means[0] > 0
    assert np.all(np.diff(means) > 0)


@pytest.mark.parametrize("name", SENTENCES)
def test_a_text_is_changed_and_keeps_the_white_space_around_its_words(name):
    found = SENTENCES[name](SENTENCE, 1, draws())
    assert isinstance(found, str)
    assert found != SENTENCE
    assert "\n " in found


@pytest.mark.parametrize("text", ["", "   ", "a", "word", "Ω", "12", "!?", "東京都に行きました"])
@pytest.mark.parametrize("name", SENTENCES)
def test_texts_of_no_or_one_word_are_never_emptied(name, text):
    for severity in SEVERITIES:
        found = SENTENCES[name](text, severity, draws(severity))
        assert bool(found.strip()) == bool(text.strip())
        if name.endswith("words"):
            assert found == text


@pytest.mark.parametrize("name", SENTENCES)
def test_a_text_of_two_words_keeps_one_at_every_severity(name):
    assert all(SENTENCES[name]("two words", severity, draws()).strip() for severity in SEVERITIES)


@pytest.mark.parametrize("modality", FAMILIES)
def test_a_table_is_corrupted_by_seed_and_content_alone(modality):
    family = FAMILIES[modality]
    table = rows(modality)
    reversed_inputs = open_inputs(table.take(pa.array([3, 2, 1, 0])), family)
    for name in family.members:
        first = cells(corrupt(open_inputs(table, family), name, 3, seed=0), family)
        assert first == cells(corrupt(open_inputs(table, family), name, 3, seed=0), family)
        assert first == cells(corrupt(reversed_inputs, name, 3, seed=0), family)[::-1]
        if name not in ("blur", "contrast", "brightness", "jpeg", "pixelate", "gain", "clipping"):  # no draws
            assert first != cells(corrupt(open_inputs(table, family), name, 3, seed=1), family)


def test_a_higher_severity_does_more_of_the_same_to_the_same_row():
    inputs = open_inputs(pa.table({"text": [" ".join(f"w{number}" for number in range(60))]}), FAMILIES["text"])
    left = [set(corrupt(inputs, "dropped-words", severity, 0)["text"][0].as_py().split()) for severity in SEVERITIES]
    assert all(fewer < more for more, fewer in pairwise(left))


@pytest.mark.parametrize("modality", FAMILIES)
def test_severity_zero_is_the_table_as_it_was(modality):
    table = rows(modality)
    inputs = open_inputs(table, FAMILIES[modality], side=4)
    assert all(corrupt(inputs, name, 0, seed=0) is table for name in FAMILIES[modality].members)


@pytest.mark.parametrize("modality", FAMILIES)
def test_only_the_column_of_the_inputs_changes(modality):
    table = rows(modality)
    family = FAMILIES[modality]
    found = corrupt(open_inputs(table, family), next(iter(family.members)), 5, seed=0)
    assert found.schema == table.schema
    assert found["label"] == table["label"]
    assert found[family.column] != table[family.column]


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_problem_knows_its_corruptions(name):
    if name == "question-answering":
        assert PROBLEMS[name].corruptions == {}  # a changed text moves the answers in it
    else:
        assert PROBLEMS[name].corruptions is FAMILIES[PROBLEMS[name].modality].members


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_images_of_any_mode_are_read_in_grey_or_colour(mode):
    image = picture(0).convert("I").convert("I;16") if mode == "I;16" else picture(0).convert(mode)
    stream = write(image)
    assert FAMILIES["image"].read(stream).mode == ("L" if mode in ("1", "L", "LA", "I;16") else "RGB")


def test_images_are_reduced_to_the_networks_input_and_never_enlarged():
    assert reduce_picture(picture(0, size=(300, 200)), 50).size == (75, 50)
    assert reduce_picture(picture(0, size=(30, 20)), 50).size == (30, 20)


def test_an_image_goes_through_its_cell_unchanged():
    for mode in ("L", "RGB"):
        assert open_image(write_picture(picture(0, mode))).tobytes() == picture(0, mode).tobytes()


@pytest.mark.parametrize(("side", "expected"), [(16, 0.08), (32, 0.08), (224, 0.18), (512, 0.18)])
def test_noise_has_the_published_deviation_at_the_published_sizes(side, expected):
    grey = Image.new("L", (side, side), 128)
    found = np.asarray(PICTURES["noise"](grey, 3, draws())).astype(float) - 128
    assert found.std() / 255 == pytest.approx(expected, rel=0.06)


def test_between_the_published_sizes_noise_grows_with_the_side():
    sides = (32, 48, 64, 128, 224)
    deviations = [image_distance(PICTURES["noise"](Image.new("L", (side, side), 128), 5, draws()),
                                 Image.new("L", (side, side), 128)) for side in sides]  # fmt: skip
    assert np.all(np.diff(deviations) > 0)


def test_more_light_keeps_hue_and_saturation():
    image = Image.new("RGB", (32, 32), (40, 80, 20))
    red, green, blue = PICTURES["brightness"](image, 5, draws()).getpixel((0, 0))
    assert green == round(80 + 0.3 * 255)
    assert red / green == pytest.approx(0.5, abs=0.01)
    assert blue / green == pytest.approx(0.25, abs=0.01)


def test_a_larger_square_covers_the_smaller_one():
    image = Image.fromarray(np.arange(64 * 64).reshape(64, 64).astype(np.uint8) | 1)  # odd values, and so no mean
    hidden = [np.asarray(PICTURES["occlusion"](image, severity, draws(5))) for severity in SEVERITIES]
    covered = [pixels != np.asarray(image) for pixels in hidden]
    assert [mask.mean() for mask in covered] == pytest.approx([0.04, 0.09, 0.16, 0.25, 0.36], abs=0.01)
    assert not any((small & ~large).any() for small, large in pairwise(covered))


@pytest.mark.parametrize(("severity", "share"), [(1, 0.02), (3, 0.1), (5, 0.2)])
def test_the_share_of_letters_with_a_typo_is_that_of_the_severity(severity, share):
    found = SENTENCES["typos"](" ".join(["xy"] * 500), severity, draws()).split(" ")
    damaged = sum(word != "xy" for word in found) / 500
    assert 1.5 * share < damaged <= 2 * share  # a word of two letters may be hit twice


@pytest.mark.parametrize(("severity", "left"), [(1, 90), (3, 70), (5, 50)])
def test_the_share_of_dropped_words_is_that_of_the_severity(severity, left):
    text = " ".join(f"w{number}" for number in range(100))
    assert len(SENTENCES["dropped-words"](text, severity, draws()).split()) == left


@pytest.mark.parametrize(("severity", "moved"), [(1, 10), (3, 30), (5, 50)])
def test_the_share_of_swapped_words_is_that_of_the_severity_and_none_is_lost(severity, moved):
    words = [f"w{number}" for number in range(100)]
    found = SENTENCES["swapped-words"](" ".join(words), severity, draws()).split()
    assert sorted(found) == sorted(words)
    assert sum(one != other for one, other in zip(words, found, strict=True)) == moved


def test_at_the_highest_severity_every_word_changes_its_case():
    assert SENTENCES["case"]("The QUICK fox 7", 5, draws()) == "tHE quick FOX 7"


def rows(modality):
    labels = pa.array([0, 1, 0, 1], pa.int64())
    if modality == "text":
        return pa.table({"text": [sentence(seed) for seed in range(4)], "label": labels})
    if modality == "audio":
        return MEDIA["audio"].table([wav(tone(300 + 100 * seed)) for seed in range(4)]).append_column("label", labels)
    return pa.table({"image": pa.array([write(picture(seed)) for seed in range(4)], FILE), "label": labels})


def write(image):
    import io

    stream = io.BytesIO()
    image.save(stream, "TIFF")
    return {"bytes": stream.getvalue(), "path": None}


def cells(table, family):
    return table[family.column].to_pylist()
