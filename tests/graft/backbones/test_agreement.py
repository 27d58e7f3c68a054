import copy

import pyarrow as pa
import pytest

from graft.backbones import agree, build, load, load_processor, save
from graft.catalog import Pretraining
from graft.errors import CatalogError, CheckpointError
from graft.problems import PROBLEMS
from tests.conftest import BERT
from tests.networks import GPT2, NETWORKS

CAUSAL, TEXTS, MASKED = (
    PROBLEMS[name] for name in ("text-generation", "text-classification", "masked-language-modelling")
)
SPEECHES = ["the cat sat on the mat", "a dog", "the quick brown fox jumps over the lazy dog"] * 5


@pytest.fixture
def tokenizer():
    return CAUSAL.make_processor(pa.table({"text": SPEECHES}), GPT2, Pretraining(vocabulary_size=300, max_tokens=12))


@pytest.fixture
def model(tokenizer):
    return build(CAUSAL, {**GPT2, "vocab_size": len(tokenizer), "pad_token_id": None}, (), seed=0)


def test_the_network_pads_with_the_tokenizers_token(model, tokenizer):
    agree(model, tokenizer)
    assert model.config.pad_token_id == tokenizer.pad_token_id == 1


def test_a_published_gpt2_has_no_padding_token_and_takes_its_end_of_text(model, tokenizer):
    tokenizer.pad_token = None
    tokenizer.padding_side = "left"
    tokenizer.model_max_length = 10**30
    agree(model, tokenizer)
    assert model.config.pad_token_id == tokenizer.pad_token_id == tokenizer.eos_token_id
    assert tokenizer.padding_side == "right"
    assert tokenizer.model_max_length == 16  # the positions that it has


def test_texts_are_shortened_to_what_the_catalogue_says(model, tokenizer):
    agree(model, tokenizer, 8)
    assert tokenizer.model_max_length == 8


def test_more_tokens_than_positions_are_refused(model, tokenizer):
    with pytest.raises(CheckpointError, match="17 tokens do not fit into this 'gpt2', which has positions for 16"):
        agree(model, tokenizer, 17)


def test_a_padding_token_that_the_network_does_not_know_is_refused(tokenizer):
    small = build(CAUSAL, {**GPT2, "vocab_size": 1, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}, (), 0)
    with pytest.raises(CheckpointError, match="pads with token 1, and the network knows 1 tokens"):
        agree(small, tokenizer)


@pytest.mark.parametrize("name", ["gpt2", "llama", "bert", "distilbert", "roberta", "electra", "albert"])
def test_a_tokenizer_travels_with_any_network_and_comes_back_as_it_was(name, tokenizer, tmp_path):
    """transformers makes a tokenizer of its own where it thinks to know the network's better."""
    save(NETWORKS[name].build(), tokenizer, tmp_path)
    found = load_processor(tmp_path, TEXTS)
    for text in ("the cat", "two  spaces\n\nünï — 😀", ""):
        assert found(text)["input_ids"] == tokenizer(text)["input_ids"]
    kept = ("pad_token_id", "eos_token_id", "padding_side", "model_max_length")
    assert [getattr(found, one) for one in kept] == [getattr(tokenizer, one) for one in kept]


def test_a_decoders_layers_are_carried_over_to_a_classifier_and_back(model, tokenizer, tmp_path):
    agree(model, tokenizer)
    save(model, tokenizer, tmp_path)
    classifier = load(tmp_path, TEXTS, ("a", "b"), seed=1)
    kept = copy.deepcopy(model.state_dict())
    assert all(value.equal(kept[name]) for name, value in classifier.state_dict().items() if name != "score.weight")
    assert classifier.config.pad_token_id == 1


def test_an_encoder_cannot_be_trained_to_generate(tmp_path, tokenizer):
    with pytest.raises(CatalogError, match="'bert' reads texts in both directions"):
        build(CAUSAL, BERT, (), seed=0)
    save(build(MASKED, BERT, (), seed=0), tokenizer, tmp_path)
    with pytest.raises(CheckpointError, match="'bert' reads texts in both directions"):
        load(tmp_path, CAUSAL)


def test_a_decoder_cannot_be_trained_to_fill_in_hidden_tokens(model, tmp_path):
    model.save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="'gpt2' has no head for hidden tokens"):
        load(tmp_path, MASKED)
