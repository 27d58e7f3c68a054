"""Heads that are kept, and a matrix that is embedding and head at once."""

import pytest
import torch

from graft.backbones import Freeze, build, describe_tie, layer_groups, load, renew, renew_head
from graft.problems import PROBLEMS
from tests.networks import GPT2, LLAMA

CAUSAL, TEXTS = PROBLEMS["text-generation"], PROBLEMS["text-classification"]
IDS = torch.tensor([[1, 5, 9, 12, 7, 3]])


def logits(model):
    with torch.no_grad():
        return model.eval()(input_ids=IDS).logits


@pytest.mark.parametrize("config", [GPT2, LLAMA], ids=["tied", "untied"])
def test_the_head_of_a_language_model_is_kept_and_the_control_has_none_of_it(config):
    source = build(CAUSAL, config, (), seed=1)
    assert torch.equal(logits(renew_head(source, CAUSAL, (), seed=2)), logits(source))
    assert not torch.allclose(logits(renew(source, CAUSAL, (), seed=2)), logits(source))


@pytest.mark.parametrize(("config", "tied"), [(GPT2, True), (LLAMA, False)], ids=["tied", "untied"])
def test_a_frozen_stem_keeps_a_tied_matrix_and_an_untied_one_trains_with_the_head(config, tied):
    model = build(CAUSAL, config, (), seed=1)
    Freeze(model, {"head"}).set_train(model)
    trains = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert ("lm_head.weight" in trains) == (not tied)
    assert not any("wte" in name or "embed" in name for name in trains)
    assert trains  # the last normalisation at least
    assert (describe_tie(model) is not None) == tied
    if tied:
        assert f"{layer_groups(model)[-1].parameters} weights of its own" in describe_tie(model)


@pytest.mark.parametrize("config", [GPT2, LLAMA], ids=["tied", "untied"])
def test_below_a_classifier_layers_are_carried_over_and_a_missing_head_is_drawn_by_the_seed(config, tmp_path):
    source = build(TEXTS, config, ("a", "b"), seed=1)
    source.save_pretrained(tmp_path)
    found = [load(tmp_path, CAUSAL, (), seed=seed) for seed in (3, 3, 4)]
    for name, weight in source.base_model.state_dict().items():
        assert torch.equal(found[0].base_model.state_dict()[name], weight)
    heads = [model.get_output_embeddings().weight for model in found]
    assert torch.equal(heads[0], heads[1])
    assert torch.equal(heads[0], heads[2]) == (config is GPT2)
    if config is GPT2:
        assert heads[0] is found[0].get_input_embeddings().weight


def test_a_classifier_has_no_tie():
    assert describe_tie(build(TEXTS, GPT2, ("a", "b"), seed=0)) is None
