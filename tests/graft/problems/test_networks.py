import pytest
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, MODEL_FOR_MASKED_LM_MAPPING_NAMES

from graft.problems import PROBLEMS
from graft.problems.networks import BYTES, ENCODERS, count_positions, find_misfit, find_text_misfits, is_decoder
from tests.networks import ALBERT, DISTILBERT, ELECTRA, GPT2, LLAMA, ROBERTA

CAUSAL, MASKED, CLASSES = (
    PROBLEMS[name].auto_model for name in ("text-generation", "masked-language-modelling", "text-classification")
)


def test_encoders_are_the_networks_of_transformers_that_have_a_head_for_hidden_tokens():
    assert set(MODEL_FOR_MASKED_LM_MAPPING_NAMES) == ENCODERS


@pytest.mark.parametrize("config", [ALBERT, DISTILBERT, ELECTRA, ROBERTA], ids=lambda config: config["model_type"])
def test_an_encoder_predicts_hidden_tokens_and_no_next_ones(config):
    assert not is_decoder(config)
    assert find_misfit(MASKED, config) is None
    assert find_misfit(CLASSES, config) is None
    assert "would see the token that it is to predict" in find_misfit(CAUSAL, config)


@pytest.mark.parametrize("config", [GPT2, LLAMA], ids=lambda config: config["model_type"])
def test_a_decoder_predicts_next_tokens_and_no_hidden_ones(config):
    assert config["model_type"] in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    assert is_decoder(config)
    assert find_misfit(CAUSAL, config) is None
    assert find_misfit(CLASSES, config) is None
    assert "text-generation pretrains a decoder" in find_misfit(MASKED, config)


def test_a_bert_that_is_made_to_read_forward_is_a_decoder():
    assert find_misfit(CAUSAL, {"model_type": "bert", "is_decoder": True}) is None


def test_positions_are_counted_from_padding_where_a_network_does():
    assert count_positions(GPT2) == 16
    assert count_positions(ROBERTA) == 16  # of 17
    assert count_positions({**ROBERTA, "pad_token_id": 1, "max_position_embeddings": 514}) == 512
    assert count_positions({"model_type": "bloom"}) is None


def test_everything_that_does_not_fit_is_said():
    found = dict(find_text_misfits(MASKED, GPT2, max_tokens=17, vocabulary_size=BYTES - 1))
    assert list(found) == ["backbone.config.model_type", "pretraining.max_tokens", "pretraining.vocabulary_size"]
    assert not dict(find_text_misfits(CAUSAL, GPT2, max_tokens=16, vocabulary_size=BYTES))
