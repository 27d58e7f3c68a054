import pytest
import torch

from graft.backbones import Freeze, build, layer_groups
from graft.problems import PROBLEMS
from tests.conftest import BERT, RESNET
from tests.networks import SPEECH, WAV2VEC2, from_config, sounds

NETWORKS = {
    "image-classification": (RESNET, ("a", "b")),
    "text-classification": (BERT, ("a", "b")),
    "masked-language-modelling": (BERT, ()),
}


@pytest.fixture(params=NETWORKS)
def model(request):
    config, labels = NETWORKS[request.param]
    return build(PROBLEMS[request.param], config, labels, seed=0)


def test_every_parameter_belongs_to_exactly_one_group(model):
    groups = layer_groups(model)
    for name, _ in model.named_parameters():
        assert sum(group.owns(name) for group in groups) == 1, name
    assert sum(group.parameters for group in groups) == sum(p.numel() for p in model.parameters())


def test_groups_are_stem_blocks_and_head_in_order(model):
    assert [group.name for group in layer_groups(model)] == ["stem", "block 1", "block 2", "block 3", "head"]


def test_the_classifier_and_what_feeds_it_alone_are_the_head():
    model = build(PROBLEMS["text-classification"], BERT, ("a", "b"), seed=0)
    head = layer_groups(model)[-1]
    assert head.owns("classifier.weight")
    assert head.owns("bert.pooler.dense.weight")
    assert not head.owns("bert.encoder.layer.2.output.dense.weight")


def test_only_the_named_groups_train(model):
    freeze = Freeze(model, ["block 3", "head"])
    freeze.set_train(model)
    groups = layer_groups(model)
    for name, parameter in model.named_parameters():
        owner = next(group.name for group in groups if group.owns(name))
        assert parameter.requires_grad == (owner in ("block 3", "head")), name
    for name, module in model.named_modules():
        if any(group.owns(name) for group in groups[:3]):
            assert not module.training, name


def test_the_mask_has_a_hash_that_tells_masks_apart(model):
    assert Freeze(model, ["head"]).digest == Freeze(model, ["head"]).digest
    assert Freeze(model, ["head"]).digest != Freeze(model, ["block 3", "head"]).digest


def test_an_unknown_group_is_named(model):
    with pytest.raises(ValueError, match="block 9"):
        Freeze(model, ["block 9"])


def test_frozen_batch_statistics_do_not_move():
    model = build(PROBLEMS["image-classification"], RESNET, ("a", "b"), seed=0)
    Freeze(model, ["head"]).set_train(model)
    before = {name: value.clone() for name, value in model.named_buffers()}
    model(pixel_values=torch.randn(4, 1, 16, 16))
    assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())


def test_no_frozen_layer_is_skipped_by_chance_or_hidden():
    config = {"model_type": "wav2vec2", "layerdrop": 0.9, "mask_time_prob": 0.9, "apply_spec_augment": True}
    model = from_config(SPEECH, {**WAV2VEC2, **config})()
    Freeze(model, ["head"]).set_train(model)
    model.dropout.eval()
    inputs = {"input_values": sounds()["input_values"][:2]}
    assert torch.equal(model(**inputs).logits, model(**inputs).logits)
    assert model.training
