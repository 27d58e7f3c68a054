import copy
import io

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from graft.catalog import Pretraining
from graft.errors import CheckpointError
from graft.problems import PROBLEMS
from graft.problems.examples import Examples
from graft.problems.masked_language_modelling import IGNORED
from graft.problems.tokens import SPECIAL, _choose_pieces, describe_tokens, pad, train_tokenizer
from graft.training.batches import generator
from tests.conftest import BERT

IMAGES, TEXTS, MASKED = (
    PROBLEMS[name] for name in ("image-classification", "text-classification", "masked-language-modelling")
)
SENTENCES = ["the cat sat on the mat", "a dog", "the quick brown fox jumps over the lazy dog again and again"] * 20


@pytest.fixture(scope="module")
def tokenizer():
    return MASKED.make_processor(pa.table({"text": SENTENCES}), BERT, Pretraining(vocabulary_size=100, max_tokens=12))


def cell(image):
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return {"bytes": stream.getvalue(), "path": None}


def pictures(mode="L", size=(20, 12)):
    rng = np.random.default_rng(0)
    made = [
        Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).convert(mode) for _ in range(5)
    ]
    return made, pa.table({"image": [cell(image) for image in made], "label": pa.array([0, 1, 0, 1, 0], pa.int64())})


def test_a_batch_holds_the_pixels_that_the_processor_itself_would_give(image_processor):
    made, table = pictures()
    batch = IMAGES.collate(IMAGES.encode(table, image_processor), range(5), image_processor, generator(0), False)
    expected = image_processor(made, return_tensors="pt")["pixel_values"]
    assert torch.allclose(batch["pixel_values"], expected, atol=1e-6)
    assert batch["labels"].tolist() == [0, 1, 0, 1, 0]


def test_images_in_one_array_or_one_by_one_make_the_same_batch(image_processor):
    _, table = pictures()
    together = IMAGES.encode(table, image_processor)
    apart = Examples(list(together.features), together.labels)
    assert isinstance(together.features, np.ndarray)
    first, second = (IMAGES.collate(one, [3, 0, 3], image_processor, generator(0), True) for one in (together, apart))
    assert torch.equal(first["pixel_values"], second["pixel_values"])


@pytest.mark.parametrize("keep", [list, np.asarray])
def test_rows_that_are_taken_keep_their_labels(image_processor, keep):
    _, table = pictures()
    whole = IMAGES.encode(table, image_processor)
    part = Examples(keep(whole.features), whole.labels).take(np.array([4, 1]))
    assert isinstance(part.features, keep if keep is list else np.ndarray)
    assert np.array_equal(part.stack([1, 0]), whole.stack([1, 4]))
    assert part.labels.tolist() == [0, 1]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "CMYK"])
def test_images_of_any_mode_become_what_the_network_takes(mode, image_processor):
    made, _ = pictures()
    image = made[0].convert(mode)
    table = pa.table({"image": [cell(image) if mode != "CMYK" else cell(image.convert("RGB"))]})
    assert IMAGES.encode(table, image_processor).features[0].shape == (1, 16, 16)


def test_a_new_processor_normalises_by_the_training_pixels():
    _, table = pictures("RGB")
    processor = IMAGES.make_processor(table, {"num_channels": 3}, Pretraining(image_size=8))
    batch = IMAGES.collate(IMAGES.encode(table, processor), range(5), processor, generator(0), True)
    assert batch["pixel_values"].shape == (5, 3, 8, 8)
    assert batch["pixel_values"].mean(dim=(0, 2, 3)).abs().max() < 1e-3
    assert (batch["pixel_values"].std(dim=(0, 2, 3)) - 1).abs().max() < 0.02


CORPUS = ["to be or not to be", "the table, the cable and the able", "a b c d ab bc cd abc bcd"] * 2


def test_the_same_texts_give_the_same_tokenizer_in_whatever_order():
    """Beside a hash map's order: ties are broken by what the pieces are, so another order of texts changes nothing."""
    made = {
        train_tokenizer(pa.table({"text": texts}), BERT, Pretraining(vocabulary_size=100)).backend_tokenizer.to_str()
        for texts in (CORPUS, CORPUS[::-1], CORPUS, sorted(CORPUS))
    }
    assert len(made) == 1


def test_pieces_are_those_of_the_trainer_of_tokenizers_where_no_two_pairs_are_equally_common():
    words = {"aaaa": 50, "baab": 30, "bcab": 17}
    ours = _choose_pieces(words, 100)
    theirs = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    theirs.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordPieceTrainer(
        vocab_size=100, special_tokens=list(SPECIAL.values()), min_frequency=2, show_progress=False
    )
    theirs.train_from_iterator([f"{word} " * count for word, count in words.items()], trainer)
    assert set(ours) == set(theirs.get_vocab())
    assert sorted(ours.values()) == list(range(len(ours)))


def test_no_words_make_a_tokenizer_of_special_tokens_alone():
    assert list(_choose_pieces({}, 100)) == list(SPECIAL.values())


def test_texts_are_cut_at_the_length_the_tokenizer_was_made_for(tokenizer):
    examples = TEXTS.encode(pa.table({"text": SENTENCES[:3]}), tokenizer)
    assert max(len(ids) for ids in examples.features) == 12
    assert all(ids[0] == tokenizer.cls_token_id and ids[-1] == tokenizer.sep_token_id for ids in examples.features)


def test_padding_is_masked_out(tokenizer):
    examples = TEXTS.encode(pa.table({"text": SENTENCES[:2], "label": pa.array([1, 0], pa.int64())}), tokenizer)
    batch = TEXTS.collate(examples, [0, 1], tokenizer, generator(0), False)
    assert batch["attention_mask"].sum(1).tolist() == [len(ids) for ids in examples.features]
    assert batch["labels"].tolist() == [1, 0]


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_batch_of_texts_is_the_one_that_the_tokenizer_itself_would_pad(tokenizer, side, monkeypatch):
    monkeypatch.setattr(tokenizer, "padding_side", side)
    examples = TEXTS.encode(pa.table({"text": SENTENCES[:3]}), tokenizer)
    ids = [examples.features[row].tolist() for row in (2, 0, 1)]
    expected = tokenizer.pad({"input_ids": ids}, padding="longest", return_tensors="pt")
    batch = TEXTS.collate(examples, [2, 0, 1], tokenizer, generator(0), False)
    assert sorted(batch) == sorted(expected)
    assert all(torch.equal(batch[name], expected[name]) and batch[name].dtype == expected[name].dtype for name in batch)


def test_a_tokenizer_without_a_padding_token_is_refused(tokenizer):
    without = copy.deepcopy(tokenizer)
    without.pad_token = None
    with pytest.raises(CheckpointError, match=r"no padding token(.|\n)*`pad_token`"):
        pad(TEXTS.encode(pa.table({"text": SENTENCES[:2]}), tokenizer), [0, 1], without)


def test_masking_predicts_hidden_tokens_and_never_special_ones(tokenizer):
    examples = MASKED.encode(pa.table({"text": SENTENCES}), tokenizer)
    batch = MASKED.collate(examples, range(60), tokenizer, generator(3), True)
    plain = TEXTS.collate(examples, range(60), tokenizer, generator(3), True)["input_ids"]
    hidden = batch["labels"] != IGNORED
    assert torch.equal(batch["labels"][hidden], plain[hidden])
    assert torch.equal(batch["input_ids"][~hidden], plain[~hidden])
    assert not torch.isin(plain[hidden], torch.tensor(tokenizer.all_special_ids)).any()
    words = sum(len(ids) - 2 for ids in examples.features)
    assert 0.1 < MASKED.weigh(batch["labels"]) / words < 0.2


def test_masking_repeats_with_its_generator(tokenizer):
    examples = MASKED.encode(pa.table({"text": SENTENCES}), tokenizer)
    first, again, other = (MASKED.collate(examples, range(9), tokenizer, generator(s), True) for s in (1, 1, 2))
    assert torch.equal(first["input_ids"], again["input_ids"])
    assert not torch.equal(first["labels"], other["labels"])


def test_a_batch_without_hidden_tokens_has_no_loss():
    assert MASKED.loss(torch.randn(2, 3, 5), torch.full((2, 3), IGNORED), 0.0) == 0


def test_accuracy_and_macro_f1_by_hand():
    logits = np.array([[2.0, 0, 0], [0, 2, 0], [0, 2, 0], [0, 0, 2]], np.float32)
    found = IMAGES.measure(logits, np.array([0, 1, 2, 2]))
    assert found["accuracy"] == pytest.approx(3 / 4)
    assert found["macro_f1"] == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)


def test_the_loss_is_the_mean_cross_entropy():
    assert float(IMAGES.loss(torch.zeros(3, 4), torch.tensor([0, 1, 2]), 0.0)) == pytest.approx(np.log(4))


def test_tokens_are_described(tokenizer):
    examples = TEXTS.encode(pa.table({"text": ["the cat", "the §§"]}), tokenizer)
    found = describe_tokens(examples, tokenizer)
    assert found["mean"] == pytest.approx(np.mean([len(ids) for ids in examples.features]))
    assert 0 < found["unknown_share"] < 0.5
