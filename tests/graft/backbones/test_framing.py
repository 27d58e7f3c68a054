"""A classifier's network becomes the backbone of one that is put around it, and its layers are found in there again."""

import pytest
import torch
from transformers.models.auto.modeling_auto import MODEL_FOR_BACKBONE_MAPPING_NAMES

from graft.backbones import layer_groups, load, share_layers, transplant
from graft.backbones.body import bare_body, plain_name
from graft.catalog import Catalog
from graft.consistency import find_inconsistencies
from graft.errors import CheckpointError
from graft.problems import PROBLEMS
from graft.problems.networks import STAGED, find_misfit_of_frame
from tests.conftest import RESNET
from tests.networks import NETWORKS, VIT

CLASSES, MASKS = PROBLEMS["image-classification"], PROBLEMS["semantic-segmentation"]
CUT = ("resnet", "convnext", "vgg", "timm resnet", "mobilenet")


@pytest.fixture(params=CUT)
def framed(request, tmp_path):
    """Return a checkpoint of a classifier, and the network for masks that was put around it."""
    NETWORKS[request.param].make().save_pretrained(tmp_path)
    return tmp_path, load(tmp_path, MASKS, ("a", "b"), seed=3)


def state(model):
    return {name: weight.clone() for name, weight in model.state_dict().items()}


def test_every_weight_below_the_head_is_the_classifiers(framed):
    folder, model = framed
    source = load(folder, CLASSES)
    before = state(source)
    with torch.no_grad():
        for weight in source.parameters():
            weight.zero_()
    transplant(model, source)
    held = {plain_name(name) for name, _ in bare_body(model).named_parameters()}
    inner = {name: plain_name(name.removeprefix(f"{source.base_model_prefix}.")) for name in before}
    below = [name for name in before if inner[name] in held]
    assert {inner[name] for name in below} >= {name for name in held if "norms" not in name}  # those are of each stage
    after = source.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in below)


def test_it_answers_every_pixel_and_survives_its_file(framed, tmp_path):
    _, model = framed
    torch.manual_seed(0)
    pixels = torch.randn(2, next(weight for weight in model.parameters() if weight.ndim == 4).shape[1], 64, 64)
    model.eval()
    with torch.no_grad():
        expected = model(pixels).logits
    assert expected.shape[:2] == (2, 2)
    model.save_pretrained(tmp_path / "again")
    again = load(tmp_path / "again", MASKS).eval()
    with torch.no_grad():
        torch.testing.assert_close(again(pixels).logits, expected, rtol=0, atol=1e-5)
    assert all(torch.equal(weight, again.state_dict()[name]) for name, weight in model.state_dict().items())


def test_it_has_blocks_and_the_seed_makes_its_head(framed):
    folder, model = framed
    assert len(layer_groups(model)) > 3
    other, same = (load(folder, MASKS, ("a", "b"), seed=seed) for seed in (4, 3))
    head = layer_groups(model)[-1]
    names = [name for name, weight in model.named_parameters() if head.owns(name) and weight.ndim > 1]
    assert all(torch.equal(model.state_dict()[name], same.state_dict()[name]) for name in names)
    assert not any(torch.equal(model.state_dict()[name], other.state_dict()[name]) for name in names)


def test_the_source_runs_on_its_layers(framed):
    folder, model = framed
    source = load(folder, CLASSES)
    share_layers(model, source)
    mine = {id(weight) for weight in bare_body(model).parameters()}
    stages = layer_groups(source)[:-2]  # VGG's wide layers and the last of a MobileNet are above the last stage
    weights = [weight for name, weight in source.named_parameters() if any(group.owns(name) for group in stages)]
    assert weights
    assert all(id(weight) in mine for weight in weights)


def test_what_has_no_stages_is_refused_in_words(tmp_path):
    NETWORKS["vit"].make().save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="'vit' cannot be cut into stages"):
        load(tmp_path, MASKS, ("a", "b"))


def test_what_can_be_cut_is_known_without_transformers():
    assert {*STAGED} - {"timm_wrapper"} <= {*MODEL_FOR_BACKBONE_MAPPING_NAMES}
    timm = {"model_type": "timm_wrapper", "architecture": "x"}
    assert find_misfit_of_frame({**timm, "model_args": {"in_chans": 1}}) is None
    assert "img_size: 32" in find_misfit_of_frame({**timm, "model_args": {"img_size": 32}})


@pytest.mark.parametrize(("config", "words"), [(VIT, "'vit' cannot be cut into stages"), (RESNET, "")])
def test_a_catalogue_says_it_before_anything_runs(config, words):
    source = {"problem": CLASSES.name, "data": {"path": "x"}, "backbone": {"config": config}}
    target = {"problem": MASKS.name, "source": "s", "data": {"path": "y", "labels": 8}, "study": {}}
    catalog = Catalog.model_validate({"sources": {"s": source}, "targets": {"t": target}})
    found = [one for one in find_inconsistencies(catalog) if "targets.t.source" in one]
    assert words in "".join(found)
    assert bool(found) == bool(words)
