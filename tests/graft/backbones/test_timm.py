"""timm's networks: from a config, from a folder, from the hub's cache; labels, weights, and what cannot be."""

import json

import pyarrow as pa
import pytest
import torch
from safetensors.torch import save_file

from graft.backbones import (
    Freeze,
    build,
    fetch,
    layer_groups,
    load,
    load_processor,
    renew,
    renew_head,
    require_fit,
    save,
    transplant,
)
from graft.backbones.rules import find_misfits
from graft.catalog import Backbone, Pretraining
from graft.errors import CatalogError, CheckpointError, HubUnavailable
from graft.problems import PROBLEMS
from tests.graft.problems.test_pixels import cell, noise
from tests.hub import cache_snapshot
from tests.networks import from_timm

IMAGES = PROBLEMS["image-classification"]
FAMILIES = {
    "test_resnet": {},
    "mobilenetv3_small_050": {},
    "test_efficientnet": {"drop_rate": 0.2, "drop_path_rate": 0.2},
    "test_vit": {"img_size": 32},
    "vgg11": {"mlp_ratio": 0.01},
    "inception_v3": {},
}


def network(architecture="test_resnet", **arguments):
    return {"model_type": "timm_wrapper", "architecture": architecture, "model_args": arguments}


def made(architecture="test_resnet", labels=("cat", "dog", "owl"), seed=0, **arguments):
    return build(IMAGES, network(architecture, **arguments), labels, seed)


def grey_or_colour(channels=3, size=32):
    table = pa.table({"image": [cell(noise((size, size), channels))], "label": pa.array([0], pa.int64())})
    return IMAGES.make_processor(table, {"num_channels": channels}, Pretraining(image_size=size))


def same(first, second):
    return {name for name, value in first.items() if name in second and torch.equal(value, second[name])}


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A folder as the hub has it for a network of timm: no preprocessor_config.json, weights without a prefix."""
    import timm

    folder = tmp_path_factory.mktemp("hub")
    raw = timm.create_model("test_resnet", num_classes=1000)
    save_file(raw.state_dict(), folder / "model.safetensors")
    pretrained = {
        "input_size": [3, 40, 40],
        "interpolation": "bicubic",
        "crop_pct": 0.9,
        "mean": [0.4, 0.5, 0.6],
        "std": [0.2, 0.25, 0.3],
        "num_classes": 1000,
    }
    # newer files of timm repeat the number of classes among the arguments
    arguments = {"num_classes": 1000, "in_chans": 3, "global_pool": "avg"}
    config = {
        "architecture": "test_resnet",
        "num_classes": 1000,
        "num_features": raw.num_features,
        "model_args": arguments,
        "pretrained_cfg": pretrained,
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("architecture", FAMILIES)
def test_a_saved_network_comes_back_to_the_bit_with_its_labels(architecture, tmp_path):
    model = made(architecture, **FAMILIES[architecture])
    save(model, grey_or_colour(), tmp_path / "net")
    back = load(tmp_path / "net", IMAGES)
    assert same(model.state_dict(), back.state_dict()) == set(back.state_dict())
    assert back.config.id2label == {0: "cat", 1: "dog", 2: "owl"}


@pytest.mark.parametrize("architecture", [name for name in FAMILIES if name not in ("vgg11", "inception_v3")])
def test_new_labels_renew_the_head_and_nothing_else(architecture):
    source = made(architecture, **FAMILIES[architecture])
    adapted = renew_head(source, IMAGES, ("x", "y"), seed=7)
    kept, head = same(source.state_dict(), adapted.state_dict()), layer_groups(source)[-1]
    assert {name for name in source.state_dict() if not head.owns(name)} <= kept
    assert adapted.timm_model.get_classifier().weight.shape[0] == 2
    assert not [name for name in kept if head.owns(name) and name.endswith("classifier.weight")]
    transplant(adapted, source)
    assert source.timm_model.get_classifier().weight.shape[0] == 3


def test_a_network_that_was_loaded_and_given_new_labels_keeps_the_new_ones_in_its_file(tmp_path):
    save(made(), grey_or_colour(), tmp_path / "source")
    adapted = load(tmp_path / "source", IMAGES, ("x", "y"), seed=1)
    save(adapted, grey_or_colour(), tmp_path / "adapted")
    assert load(tmp_path / "adapted", IMAGES).config.id2label == {0: "x", 1: "y"}
    assert json.loads((tmp_path / "adapted" / "config.json").read_text())["label_names"] == ["x", "y"]


def test_random_weights_are_those_that_timm_draws_but_for_the_head():
    import timm

    torch.manual_seed(0)
    raw = timm.create_model("vgg11", num_classes=3, mlp_ratio=0.01)
    model = made("vgg11", mlp_ratio=0.01)
    assert same(raw.features.state_dict(), model.timm_model.features.state_dict()) == set(raw.features.state_dict())
    assert abs(float(model.timm_model.get_classifier().weight.detach().std()) - 0.02) < 2e-3
    pixels = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    wrapped = from_timm("vgg11", mlp_ratio=0.01)()
    with torch.no_grad():
        own, drawn_anew = (float(one.eval().timm_model.features(pixels).std()) for one in (model, wrapped))
    assert own > 10 * drawn_anew


def test_other_seeds_give_other_weights_and_nothing_is_left_patched():
    from transformers.models.timm_wrapper.modeling_timm_wrapper import TimmWrapperPreTrainedModel

    first, again = made(), made()
    assert same(first.state_dict(), again.state_dict()) == set(first.state_dict())
    other = renew(first, IMAGES, ("cat", "dog", "owl"), seed=5)
    assert "timm_model.layer1.0.conv1.weight" not in same(first.state_dict(), other.state_dict())
    assert "init_weights" not in vars(TimmWrapperPreTrainedModel)


def test_frozen_batch_statistics_of_timm_do_not_move():
    model = made()
    Freeze(model, ["block 4", "head"]).set_train(model)
    groups, before = layer_groups(model), {name: value.clone() for name, value in model.named_buffers()}
    model(pixel_values=torch.randn(4, 3, 32, 32))
    moved = {name for name, value in model.named_buffers() if not torch.equal(value, before[name])}
    assert moved
    assert all(groups[4].owns(name) for name in moved)


def test_a_folder_of_the_hub_loads_with_its_weights_and_its_own_pixels(repository):
    model, processor = load(repository, IMAGES), load_processor(repository, IMAGES)
    assert len(model.config.id2label) == 1000
    assert model.config.id2label[0].startswith("tench")
    assert processor.data_config["input_size"] == (3, 40, 40)
    assert IMAGES.encode(pa.table({"image": [cell(noise((61, 47)))]}), processor).features.shape == (1, 3, 40, 40)


def test_an_adapted_hub_network_is_saved_with_its_pixels_and_without_the_hub_s_labels(repository, tmp_path):
    adapted, processor = load(repository, IMAGES, ("x", "y"), seed=3), load_processor(repository, IMAGES)
    save(adapted, processor, tmp_path / "net")
    back = load(tmp_path / "net", IMAGES)
    assert back.config.id2label == {0: "x", 1: "y"}
    assert same(adapted.state_dict(), back.state_dict()) == set(back.state_dict())
    assert load_processor(tmp_path / "net", IMAGES).data_config == processor.data_config


def test_without_a_network_a_hub_id_loads_from_the_local_cache(repository, tmp_path, monkeypatch):
    import huggingface_hub.constants

    snapshot = cache_snapshot(tmp_path, "timm/tiny.test", repository)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    folder = fetch(Backbone(hub="timm/tiny.test"))
    assert folder.resolve() == snapshot.resolve()
    assert load(folder, IMAGES, ("x", "y")).config.num_labels == 2
    for absent in ("timm/vgg16.tv_in1k", "timm/inception_v3.tv_in1k", "microsoft/resnet-50"):
        with pytest.raises(HubUnavailable, match=rf"{absent}.*not in the local cache"):
            fetch(Backbone(hub=absent))


@pytest.mark.parametrize(
    ("config", "size", "message"),
    [
        ({"model_type": "timm_wrapper"}, 32, "needs `architecture: NAME`"),
        (network("inception_v3"), 32, "needs images of 75 pixels or more; write `pretraining: {image_size: 75}`"),
        (network("vgg11"), 28, "needs images of 32 pixels or more"),
        ({**network(), "num_channels": 1}, 32, r"write `model_args: \{in_chans: 1\}`"),
        ({**network(), "drop_rate": 0.1}, 32, r"write `model_args: \{drop_rate: 0.1\}`"),
        ({**network(), "num_labels": 4}, 32, "the labels are those of the data"),
        (network(num_classes=4), 32, "model_args.num_classes: the labels are those of the data"),
        (network(pretrained=True), 32, "write `hub: timm/NAME`"),
        (network(checkpoint_path="x.pth"), 32, "write `checkpoint: FOLDER`"),
        (network("hf-hub:timm/resnet18.a1_in1k"), 32, "write `hub: timm/resnet18.a1_in1k`"),
        (network("inception_v3", aux_logits=True), 75, "a second classifier"),
        ({"model_type": "vit_mae", "image_size": 32, "mask_ratio": 1.0}, 32, "mask_ratio: 1.0 of the patches"),
        ({"model_type": "vit_mae"}, 32, "vit_mae reads images of 224 pixels"),
        ({"model_type": "vit"}, 32, "vit reads images of 224 pixels.*write `image_size: 32`"),
    ],
)
def test_what_cannot_work_is_said_with_what_to_write(config, size, message):
    import re

    assert any(re.search(message, misfit) for misfit in find_misfits(config, size))


@pytest.mark.parametrize(
    "config",
    [network("inception_v3"), network("vgg11"), {"model_type": "vit", "image_size": 75}, {"model_type": "bert"}],
)
def test_what_works_is_left_alone(config):
    assert not list(find_misfits(config, 75))


def test_an_architecture_that_timm_does_not_have_is_named_with_the_nearest():
    with pytest.raises(CatalogError, match="no architecture 'vgg111'; did you mean 'vgg11'"):
        made("vgg111")


def test_an_argument_that_an_architecture_does_not_have_is_named():
    with pytest.raises(CatalogError, match="unexpected keyword argument 'drop_path_rate'"):
        made("inception_v3", drop_path_rate=0.1)


def test_a_checkpoint_that_asks_for_a_file_to_be_unpickled_is_refused(repository, tmp_path):
    config = json.loads((repository / "config.json").read_text())
    config["model_args"] = {"checkpoint_path": "elsewhere.pth"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes((repository / "model.safetensors").read_bytes())
    with pytest.raises(CheckpointError, match=r"model_args\.checkpoint_path"):
        load(tmp_path, IMAGES)


def test_images_too_small_for_a_network_are_refused_with_the_sizes_that_it_takes():
    with pytest.raises(CatalogError, match="vit_tiny_patch16_224 cannot read images of 48x48 pixels") as raised:
        require_fit(made("vit_tiny_patch16_224", depth=1), {"pixel_values": torch.zeros(2, 3, 48, 48)})
    assert "Of the usual sizes it takes 224: write `pretraining: {image_size: 224}`" in str(raised.value)
    assert "{img_size: 48}" in str(raised.value)


def test_other_channels_than_the_network_s_are_refused_with_the_words_for_them():
    with pytest.raises(CatalogError, match=r"reads 3 channel\(s\), the image processor gives 1"):
        require_fit(made(), {"pixel_values": torch.zeros(2, 1, 32, 32)})


def test_a_fitting_network_is_left_as_it_was(caplog):
    model = made().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    require_fit(model, {"pixel_values": torch.zeros(2, 3, 32, 32)})
    assert model.training
    assert same(before, model.state_dict()) == set(before)
    assert not caplog.records
