"""The network that gives embeddings, around each kind of image classifier."""

import copy
import json
from contextlib import nullcontext

import pytest
import torch

from graft.backbones import Freeze, build, layer_groups, load, renew, save, share_layers, transplant
from graft.errors import CheckpointError
from graft.problems import PROBLEMS
from graft.problems.face_verification import WIDTH
from graft.training import Activations, Feed, record
from tests.conftest import RESNET
from tests.networks import CONVNEXT, NETWORKS, ROWS, VIT

FACES, IMAGES = PROBLEMS["face-verification"], PROBLEMS["image-classification"]
WHO = ("anna", "bert", "carl")
VGG = {"model_type": "timm_wrapper", "architecture": "vgg11", "model_args": {"mlp_ratio": 0.01}}
CONFIGS = {"resnet": RESNET, "vit": VIT, "convnext": CONVNEXT, "vgg": VGG}


def pixels(name, rows=range(ROWS)):
    return {"pixel_values": NETWORKS[name].batch(list(rows))["pixel_values"]}


@pytest.fixture(scope="module")
def made():
    torch.set_num_threads(1)
    return {name: build(FACES, config, WHO, 5).eval() for name, config in CONFIGS.items()}


@pytest.mark.parametrize("name", CONFIGS)
def test_its_groups_are_those_of_the_classifier_and_hold_every_weight_once(made, name):
    groups, blocks = layer_groups(made[name]), NETWORKS[name].blocks
    assert [group.name for group in groups] == ["stem", *(f"block {one}" for one in range(1, blocks + 1)), "head"]
    for path, _ in (*made[name].named_parameters(), *made[name].named_buffers()):
        assert sum(group.owns(path) for group in groups) == 1, path
    assert "identities.weight" in groups[-1].weights


@pytest.mark.parametrize("name", CONFIGS)
def test_embeddings_have_length_one_and_cosines_of_every_identity(made, name):
    with torch.no_grad():
        found = made[name](**pixels(name))
    assert (found.embeddings.shape, found.logits.shape) == ((ROWS, WIDTH), (ROWS, len(WHO)))
    torch.testing.assert_close(found.embeddings.norm(dim=1), torch.ones(ROWS))
    assert found.logits.abs().max() <= 1
    assert FACES.read(found).shape == (ROWS, WIDTH + len(WHO))


@pytest.mark.parametrize("name", CONFIGS)
def test_a_saved_one_comes_back_to_the_bit_without_code(made, name, tmp_path, image_processor):
    save(made[name], image_processor, tmp_path)
    again = load(tmp_path, FACES)
    assert again.config.id2label == dict(enumerate(WHO))
    assert all(torch.equal(value, again.state_dict()[path]) for path, value in made[name].state_dict().items())
    written = json.loads((tmp_path / "config.json").read_text())
    assert written["model_type"] == "graft-embedder"
    assert "auto_map" not in json.dumps(written)
    other = load(tmp_path, FACES, ("dora", "emil", "fred", "gus"), seed=1)
    below = [path for path in other.state_dict() if not layer_groups(other)[-1].owns(path)]
    assert all(torch.equal(other.state_dict()[path], again.state_dict()[path]) for path in below)
    assert other.identities.weight.shape == (4, WIDTH)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_layers_of_a_classifier_are_carried_over_and_can_be_put_back(name, tmp_path, image_processor):
    source = build(IMAGES, CONFIGS[name], ("cat", "dog"), 7).eval()
    save(source, image_processor, tmp_path)
    model = load(tmp_path, FACES, WHO, seed=1)
    ours, theirs = model.network.state_dict(), source.state_dict()
    head = layer_groups(source)[-1]
    assert all(torch.equal(ours[path], theirs[path]) for path in theirs if not head.owns(path))
    with pytest.raises(CheckpointError, match="its weights are not those"):
        load(tmp_path, FACES)  # nobody has learned its head
    with torch.no_grad():
        before = source(**pixels(name)).logits
        for weight in model.network.base_model.parameters():
            weight += 0.01
        transplant(model, source)
        assert not torch.equal(source(**pixels(name)).logits, before)
    share_layers(model, source)
    assert next(source.base_model.parameters()) is next(model.base_model.parameters())


def test_one_can_be_a_source_too(made, tmp_path):
    source, adapted = copy.deepcopy(made["resnet"]), build(IMAGES, RESNET, ("cat", "dog"), 9)
    before = source.identities.weight.clone()
    transplant(adapted, source)
    assert torch.equal(source.identities.weight, before)
    below = adapted.resnet.state_dict()
    assert all(torch.equal(value, below[path]) for path, value in source.network.resnet.state_dict().items())


def test_a_control_of_timm_has_the_weights_that_timm_draws(made):
    fresh = renew(made["vgg"], FACES, WHO, seed=5)
    assert all(torch.equal(value, fresh.state_dict()[path]) for path, value in made["vgg"].state_dict().items())
    first = next(weight for weight in fresh.parameters() if weight.ndim == 4)
    assert first.std() > 0.03  # the wrapper's own is 0.02


@pytest.mark.parametrize("name", CONFIGS)
def test_cached_equals_uncached_to_the_bit(made, name):
    model, boundary = copy.deepcopy(made[name]), NETWORKS[name].blocks + 1
    feed = Feed(lambda rows: pixels(name, rows), [str(row) for row in range(ROWS)])
    prefix = record(model, feed, [boundary], Activations(2**30), 5)
    assert prefix.off == {}
    Freeze(model, ["head"]).set_train(model)
    rows, found = [7, 2, 11, 0, 5], []
    for replay in (nullcontext(), prefix.replay(model, boundary)):
        model.zero_grad(set_to_none=True)
        with replay as player:
            if player is not None:
                player(rows)
            read = FACES.read(model(**pixels(name, rows)))
        FACES.loss(read, torch.tensor([0, 1, 2, 0, 1]), 0.0).backward()
        found.append([read.detach(), model.identities.weight.grad.clone()])
    assert all(map(torch.equal, *found))
