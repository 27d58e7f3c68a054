import json

import pytest
import torch

from graft.backbones import build, fetch, load, load_processor, renew, renew_head, save, transplant
from graft.catalog import Backbone
from graft.errors import CatalogError, CheckpointError, HubUnavailable
from graft.problems import PROBLEMS
from tests.conftest import BERT, RESNET

IMAGES, TEXTS, MASKED = (
    PROBLEMS[name] for name in ("image-classification", "text-classification", "masked-language-modelling")
)


@pytest.fixture
def folder(tmp_path, image_processor):
    save(build(IMAGES, RESNET, ("cat", "dog"), seed=0), image_processor, tmp_path / "net")
    return tmp_path / "net"


def equal(first, second):
    return {name for name, value in first.state_dict().items() if torch.equal(value, second.state_dict()[name])}


def test_a_saved_model_comes_back_to_the_bit_with_its_label_names(folder):
    model = load(folder, IMAGES)
    fresh = build(IMAGES, RESNET, ("cat", "dog"), seed=0)
    assert equal(model, fresh) == set(model.state_dict())
    assert model.config.id2label == {0: "cat", 1: "dog"}


def test_the_processor_comes_back_on_the_backend_it_was_made_with(folder, image_processor):
    assert type(load_processor(folder, IMAGES)) is type(image_processor)


def test_new_labels_renew_the_head_and_nothing_else(folder):
    source = load(folder, IMAGES)
    adapted = load(folder, IMAGES, ("x", "y"), seed=7)
    changed = set(source.state_dict()) - equal(source, adapted)
    assert changed == {"classifier.1.weight", "classifier.1.bias"}
    assert adapted.config.id2label == {0: "x", 1: "y"}


def test_a_head_of_another_size_is_made_anew(folder):
    assert load(folder, IMAGES, ("x", "y", "z")).config.num_labels == 3


def test_heads_differ_by_seed_and_repeat_by_seed(folder):
    source = load(folder, IMAGES)
    heads = [renew_head(source, IMAGES, ("x", "y"), seed).classifier[1].weight for seed in (1, 1, 2)]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_scratch_shares_no_trained_weight_with_the_source(folder):
    source = load(folder, IMAGES)
    scratch = renew(source, IMAGES, ("x", "y"), seed=5)
    weights = {name for name, parameter in source.named_parameters() if parameter.ndim >= 2}
    assert not weights & equal(source, scratch)


def test_making_a_model_leaves_the_random_state_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    build(IMAGES, RESNET, ("a",), seed=0)
    assert torch.rand(1) == expected


def test_a_language_model_becomes_a_classifier_with_its_backbone(tmp_path):
    source = build(MASKED, BERT, (), seed=0)
    source.save_pretrained(tmp_path / "lm")
    classifier = load(tmp_path / "lm", TEXTS, ("a", "b", "c"))
    name = "bert.encoder.layer.1.output.dense.weight"
    assert torch.equal(classifier.state_dict()[name], source.state_dict()[name])


def test_transplanting_moves_the_backbone_under_the_kept_head(folder):
    source, adapted = load(folder, IMAGES), renew(load(folder, IMAGES), IMAGES, ("x",), seed=9)
    head = source.classifier[1].weight.clone()
    transplant(adapted, source)
    assert torch.equal(source.classifier[1].weight, head)
    name = "resnet.encoder.stages.2.layers.0.layer.0.convolution.weight"
    assert torch.equal(source.state_dict()[name], adapted.state_dict()[name])


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="nowhere: not a model folder"):
        load(tmp_path / "nowhere", IMAGES)


def test_another_kind_of_network_is_refused(folder):
    with pytest.raises(CheckpointError, match="cannot be loaded as AutoModelForSequenceClassification"):
        load(folder, TEXTS, ("a", "b"))


def test_weights_of_another_architecture_are_refused_not_filled_with_random_ones(folder):
    config = json.loads((folder / "config.json").read_text())
    config["hidden_sizes"] = [4, 6, 10]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="another shape for resnet"):
        load(folder, IMAGES, ("a", "b"))


def test_a_truncated_weight_file_is_named(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load(folder, IMAGES)


def test_a_configuration_nobody_knows_is_refused():
    with pytest.raises(CatalogError, match="cannot build a 'resnot'"):
        build(IMAGES, {"model_type": "resnot"}, ("a",), seed=0)


def test_a_hub_id_without_a_network_says_what_to_do():
    with pytest.raises(HubUnavailable, match=r"google-bert/bert-base-uncased.*not in the local cache"):
        fetch(Backbone(hub="google-bert/bert-base-uncased"))
