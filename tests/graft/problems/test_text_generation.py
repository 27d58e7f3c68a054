import math
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.text import perplexity

from graft.backbones import agree, build
from graft.catalog import Pretraining
from graft.errors import CheckpointError
from graft.problems import PROBLEMS
from graft.problems.byte_pairs import END, PADDING
from graft.problems.language_modelling import IGNORED
from graft.problems.tokens import train_tokenizer
from graft.training import predict, score
from graft.training.batches import generator
from tests.conftest import BERT
from tests.networks import GPT2, LLAMA

CAUSAL, TEXTS = PROBLEMS["text-generation"], PROBLEMS["text-classification"]
SPEECHES = ["the cat sat on the mat", "a dog", "the quick brown fox jumps over the lazy dog again and again"] * 5
RECIPE = Pretraining(vocabulary_size=300, max_tokens=12)


@pytest.fixture(scope="module")
def tokenizer():
    return CAUSAL.make_processor(pa.table({"text": SPEECHES}), GPT2, RECIPE)


def encode(texts, tokenizer):
    return CAUSAL.encode(pa.table({"text": pa.array(texts, pa.string())}), tokenizer)


def predictions(examples, tokenizer):
    """Return every predicted token, in order."""
    batch = CAUSAL.collate(examples, range(len(examples)), tokenizer, generator(0), training=True)
    return batch["labels"][batch["labels"] != IGNORED].tolist()


def stream(texts, tokenizer):
    return CAUSAL.stream(pa.table({"text": pa.array(texts, pa.string())}), tokenizer)


@pytest.mark.parametrize("way", [encode, stream], ids=["row by row", "packed"])
@given(texts=st.lists(st.text(alphabet=st.characters(codec="utf-8"), max_size=40), max_size=6))
def test_every_token_of_every_text_is_predicted_exactly_once_and_the_end_of_each(tokenizer, way, texts):
    examples = way(texts, tokenizer)
    found = predictions(examples, tokenizer) if len(examples) else []
    expected = [[*tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"], 0] for text in texts]
    assert found == [token for ids in expected for token in ids]
    assert all(len(block) <= 12 for block in examples.features)


def test_a_row_is_a_text_with_all_of_its_windows_and_its_bytes(tokenizer):
    texts = ["a dog", "", "ünï " * 30]
    examples = encode(texts, tokenizer)
    assert (examples.row_count, list(examples.truths)) == (3, [5, 0, 180])
    assert [examples.take([row]).row_count for row in range(3)] == [1, 1, 1]
    assert all(window[0] == 0 for window in (examples.take([row]).features[0] for row in range(3)))
    assert tokenizer.decode(predictions(examples.take([2]), tokenizer)[:-1]) == texts[2]


def test_packed_blocks_are_of_nearly_one_length(tokenizer):
    lengths = {len(block) for block in stream(SPEECHES, tokenizer).features}
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("way", [encode, stream], ids=["row by row", "packed"])
def test_a_text_longer_than_the_network_reads_is_cut_into_windows_without_a_warning(tokenizer, way, recwarn, caplog):
    text = "again and " * 50
    examples = way([text], tokenizer)
    assert len(examples) > 5
    assert tokenizer.decode(predictions(examples, tokenizer)[:-1]) == text
    assert not recwarn.list
    assert not caplog.records


def test_the_label_of_a_token_is_the_next_one_and_padding_has_none(tokenizer):
    examples = encode(SPEECHES, tokenizer)
    short = min(range(len(examples)), key=lambda row: len(examples.features[row]))
    long = max(range(len(examples)), key=lambda row: len(examples.features[row]))
    batch = CAUSAL.collate(examples, [short, long], tokenizer, generator(0), training=False)
    for place, row in enumerate((short, long)):
        block = examples.features[row].tolist()
        assert batch["labels"][place, : len(block) - 1].tolist() == block[1:]
        assert set(batch["labels"][place, len(block) - 1 :].tolist()) == {IGNORED}
    assert CAUSAL.weigh(batch["labels"]) == sum(len(examples.features[row]) - 1 for row in (short, long))


@pytest.mark.parametrize("config", [GPT2, LLAMA], ids=["gpt2", "llama"])
def test_the_loss_is_that_of_transformers_in_nats_per_token(tokenizer, config):
    config = {**config, "vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    model = build(CAUSAL, config, (), seed=0).eval()
    examples = encode(SPEECHES, tokenizer)
    found = score(model, CAUSAL, examples, tokenizer)
    total, count = 0.0, 0
    for block in examples.features:  # one by one, so without padding
        ids = torch.from_numpy(block)[None]
        with torch.no_grad():
            total += float(model(input_ids=ids, labels=ids).loss) * (len(block) - 1)
        count += len(block) - 1
    assert found["loss"] == pytest.approx(total / count, rel=1e-5)
    assert found["perplexity"] == pytest.approx(math.exp(total / count), rel=1e-5)
    assert found["bits_per_byte"] == pytest.approx(total / math.log(2) / len("".join(SPEECHES).encode()), rel=1e-5)


def test_perplexity_is_that_of_torchmetrics(tokenizer):
    model = build(CAUSAL, {**GPT2, "vocab_size": len(tokenizer)}, (), seed=0).eval()
    examples = encode(SPEECHES, tokenizer)
    batch = CAUSAL.collate(examples, range(len(examples)), tokenizer, generator(0), training=False)
    labels = batch.pop("labels")
    with torch.no_grad():
        expected = float(perplexity(model(**batch).logits, labels, ignore_index=IGNORED))
    answers = predict(model, CAUSAL, examples, tokenizer)
    assert CAUSAL.measure(answers, None) == {"perplexity": pytest.approx(expected, rel=1e-4)}


def test_what_a_text_earns_does_not_depend_on_the_texts_beside_it(tokenizer):
    model = build(CAUSAL, {**GPT2, "vocab_size": len(tokenizer)}, (), seed=0)
    together = predict(model, CAUSAL, encode(SPEECHES[:3], tokenizer), tokenizer)
    for row, text in enumerate(SPEECHES[:3]):
        assert CAUSAL.same(predict(model, CAUSAL, encode([text], tokenizer), tokenizer)[0], together[row])
    grades = CAUSAL.grade(together, None)
    assert grades.mean == pytest.approx(together[:, 0].sum() / together[:, 1].sum())
    assert not CAUSAL.same(together[0], together[0] * 1.001)


def test_a_score_does_not_depend_on_how_many_blocks_are_computed_together(tokenizer, monkeypatch):
    model = build(CAUSAL, {**GPT2, "vocab_size": len(tokenizer)}, (), seed=0)
    examples = encode(SPEECHES, tokenizer)
    together = score(model, CAUSAL, examples, tokenizer)
    monkeypatch.setattr("graft.training.scoring.MOST_LOGITS", 2 * 12 * len(tokenizer))
    assert score(model, CAUSAL, examples, tokenizer)["loss"] == pytest.approx(together["loss"], rel=1e-5)


def test_a_decoder_is_given_bytes_and_an_encoder_word_pieces_whatever_they_predict():
    table = pa.table({"text": SPEECHES, "label": pa.array([0, 1, 1] * 5, pa.int64())})
    for problem in (CAUSAL, TEXTS):
        assert problem.make_processor(table, LLAMA, RECIPE).eos_token == END
    assert TEXTS.make_processor(table, BERT, RECIPE).cls_token == "[CLS]"


def test_texts_come_back_to_the_byte_from_their_tokens(tokenizer):
    text = "  Two  spaces,\tUPPER\n\nünï — 😀 "
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]) == text


def test_a_text_begins_after_an_end_of_text_so_that_none_is_without_tokens(tokenizer):
    assert [ids.tolist() for ids in TEXTS.encode(pa.table({"text": ["", "a"]}), tokenizer).features] == [
        [0],
        [0, *tokenizer("a", add_special_tokens=False)["input_ids"]],
    ]
    assert tokenizer.convert_ids_to_tokens([0, 1]) == [END, PADDING]


def test_the_same_texts_give_the_same_bytes_in_every_process_and_in_whatever_order():
    program = (
        "import sys, hashlib, pyarrow as pa; from graft.catalog import Pretraining;"
        "from graft.problems.tokens import train_tokenizer;"
        "made = train_tokenizer(pa.table({'text': sys.argv[1:]}), {'model_type': 'gpt2'},"
        " Pretraining(vocabulary_size=300));"
        "print(hashlib.sha256(made.backend_tokenizer.to_str().encode()).hexdigest())"
    )
    runs = [
        subprocess.run([sys.executable, "-c", program, *texts], capture_output=True, text=True, check=True).stdout
        for texts in (SPEECHES, SPEECHES, SPEECHES[::-1])
    ]
    assert len(set(runs)) == 1


def test_a_tokenizer_without_an_end_of_text_is_refused():
    pieces = train_tokenizer(pa.table({"text": SPEECHES}), BERT, RECIPE)
    for way in (encode, stream):
        with pytest.raises(CheckpointError, match=r"no end-of-text token(.|\n)*`eos_token`"):
            way(SPEECHES, pieces)


def test_no_texts_make_no_blocks(tokenizer):
    assert len(encode([], tokenizer)) == len(stream([], tokenizer)) == 0


def test_rows_that_are_padded_are_scored_as_if_they_were_not(tokenizer):
    """The classifier reads the last token that is none of padding, so that a text's company changes nothing."""
    config = {**GPT2, "vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    model = build(TEXTS, config, ("a", "b"), seed=0).eval()
    agree(model, tokenizer, 12)
    table = pa.table({"text": SPEECHES[:3], "label": pa.array([0, 1, 1], pa.int64())})
    examples = TEXTS.encode(table, tokenizer)
    with torch.no_grad():
        together, *alone = (
            model(
                **{
                    k: v
                    for k, v in TEXTS.collate(examples, rows, tokenizer, generator(0), False).items()
                    if k != "labels"
                }
            )
            for rows in ([0, 1, 2], [0], [1], [2])
        )
    np.testing.assert_allclose(together.logits, torch.cat([one.logits for one in alone]), atol=1e-6)
