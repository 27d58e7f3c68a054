"""The network whose head reads every boundary, from each family that has one label a row."""

import copy
import json
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from graft.backbones import Freeze, build, layer_groups, load, renew, renew_head, save, transplant
from graft.backbones.all_boundaries import widen
from graft.problems import PROBLEMS
from graft.problems.examples import Examples
from graft.training import Activations, Feed, record
from graft.transferability.features import extract
from tests.conftest import RESNET
from tests.networks import LANGUAGE, NETWORKS, ROWS, VISION

IMAGES = PROBLEMS["image-classification"]
OF = {"AutoModelForImageClassification": IMAGES, "AutoModelForSequenceClassification": PROBLEMS["text-classification"]}
LABELS = ("a", "b", "c", "d")
CLASSIFIERS = ["bert", "gpt2", "vit", "resnet", "convnext", "vgg"]


def inputs(name, rows):
    return {key: value for key, value in NETWORKS[name].batch(rows).items() if key != "labels"}


def problem_of(name):
    return OF[LANGUAGE if name in ("bert", "gpt2") else VISION]


@pytest.fixture(scope="module")
def made():
    """Return a function that gives a plain network and the wide one of the same layers, both made once."""
    known = {}

    def get(name):
        if name not in known:
            torch.set_num_threads(1)
            plain = NETWORKS[name].build()
            known[name] = plain, widen(plain, problem_of(name), LABELS, 3, inputs(name, [0, 1])).eval()
        return known[name]

    return get


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_its_groups_are_those_of_the_plain_network_under_the_new_head(made, name):
    plain, wide = made(name)
    groups, before = layer_groups(wide), layer_groups(plain)
    below = [(group.name, group.parameters) for group in groups[:-1]]
    assert below == [(group.name, group.parameters) for group in before[:-1]]
    width = sum(wide.widths.values())
    assert (groups[-1].name, groups[-1].parameters) == ("head", (width + 1) * len(LABELS))
    for path, _ in (*wide.named_parameters(), *wide.named_buffers()):
        assert sum(group.owns(path) for group in groups) == 1, path
    assert list(wide.widths) == [group.name for group in before[:-1]]


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_its_layers_compute_what_they_did_and_its_head_reads_what_leaves_each(made, name):
    plain, wide = made(name)
    base, own = plain.base_model.state_dict(), wide.base_model.state_dict()
    assert own
    assert all(torch.equal(base[path], value) for path, value in own.items())
    kept = []
    handle = wide.boundaries.register_forward_hook(lambda _, __, output: kept.append(output))
    with torch.no_grad():
        logits = wide(**inputs(name, range(ROWS))).logits
    handle.remove()
    parts = torch.split(kept[0], list(wide.widths.values()), dim=1)
    assert logits.shape == (ROWS, len(LABELS))
    scaled = torch.cat([part / part.norm(dim=1, keepdim=True) for part in parts], dim=1)
    assert torch.allclose(logits, wide.head.linear(scaled), atol=1e-6)


def test_what_its_head_reads_is_what_the_scores_are_of(images, image_processor):
    plain = build(IMAGES, RESNET, ("a", "b", "c"), seed=0)
    batch = IMAGES.collate(images, range(33), image_processor, torch.Generator(), training=False)
    batch.pop("labels")
    wide = widen(plain, IMAGES, LABELS, 0, batch).eval()
    kept = []
    wide.boundaries.register_forward_hook(lambda _, __, output: kept.append(output))
    with torch.no_grad():
        wide(**batch)
    found = extract(plain, IMAGES, Examples(images.features, None), image_processor, own_head=False).boundaries
    np.testing.assert_array_equal(kept[0].numpy(), np.concatenate(list(found.values()), axis=1))


def train_step(wide, name, rows, replay):
    wide.zero_grad(set_to_none=True)
    with replay as player:
        if player is not None:
            player(rows)
        logits = wide(**inputs(name, rows)).logits
    torch.nn.functional.cross_entropy(logits, NETWORKS[name].batch(rows)["labels"]).backward()
    return logits.detach(), [weight.grad for weight in wide.head.parameters()]


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_cached_equals_uncached_to_the_bit_and_only_features_are_kept(made, name):
    wide = copy.deepcopy(made(name)[1])
    room, boundary = Activations(2**30), NETWORKS[name].blocks + 1
    feed = Feed(lambda rows: inputs(name, rows), [str(row) for row in range(ROWS)])
    prefix = record(wide, feed, [boundary], room, 5)
    assert prefix.off == {}
    assert room.used_bytes == 4 * ROWS * sum(wide.widths.values())
    Freeze(wide, ["head"]).set_train(wide)
    assert not wide.network.training
    rows = [7, 2, 11, 0, 5]
    expected, gradients = train_step(wide, name, rows, nullcontext())
    found, played = train_step(wide, name, rows, prefix.replay(wide, boundary))
    assert torch.equal(found, expected)
    assert all(map(torch.equal, gradients, played))


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_saved_one_comes_back_to_the_bit_without_code(made, name, tmp_path, image_processor):
    wide, problem = copy.deepcopy(made(name)[1]), problem_of(name)
    wide.head.select(0.5, seed=1)
    save(wide, image_processor, tmp_path)
    again = load(tmp_path, problem)
    assert again.config.id2label == dict(enumerate(LABELS))
    assert again.state_dict().keys() == wide.state_dict().keys()
    assert all(torch.equal(value, again.state_dict()[path]) for path, value in wide.state_dict().items())
    again = copy.deepcopy(again).eval()  # as read, weights lie unaligned in memory, which can change last bits
    with torch.no_grad():
        assert torch.equal(again(**inputs(name, [3, 1])).logits, wide(**inputs(name, [3, 1])).logits)
    written = json.loads((tmp_path / "config.json").read_text())
    assert written["model_type"] == "graft-all-boundaries"
    assert "auto_map" not in json.dumps(written)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json"] * 2 + [".safetensors"]


def test_ten_blocks_keep_their_order_through_a_configuration(tmp_path, image_processor):
    deep = build(IMAGES, {**RESNET, "hidden_sizes": [4] * 9 + [6] * 2, "depths": [1] * 11}, ("a", "b"), seed=0)
    wide = widen(deep, IMAGES, LABELS, 0, {"pixel_values": torch.zeros(2, 1, 16, 16)})
    save(wide, image_processor, tmp_path)
    again = load(tmp_path, IMAGES)
    assert list(again.widths) == list(wide.widths) == ["stem", *(f"block {number}" for number in range(1, 12))]
    assert again.head.widths == wide.head.widths


@pytest.mark.parametrize("name", ["bert", "resnet"])
def test_new_labels_renew_its_head_alone_and_random_weights_all(made, name, tmp_path, image_processor):
    wide, problem = made(name)[1], problem_of(name)
    save(wide, image_processor, tmp_path)
    for other in (load(tmp_path, problem, ("x", "y"), seed=7), renew_head(wide, problem, ("x", "y"), 7)):
        assert other.head.linear.weight.shape[0] == 2
        layers = other.network.state_dict()
        assert all(torch.equal(value, layers[path]) for path, value in wide.network.state_dict().items())
    again = widen(wide, problem, LABELS, 5, {})
    assert not torch.equal(again.head.linear.weight, wide.head.linear.weight)
    scratch = renew(wide, problem, LABELS, seed=5).network.state_dict()
    matrices = [path for path, value in wide.network.named_parameters() if value.ndim > 1]
    assert not any(torch.equal(scratch[path], wide.network.state_dict()[path]) for path in matrices)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_its_layers_under_the_sources_head_are_the_source(made, name):
    plain, wide = made(name)
    source = copy.deepcopy(plain)
    transplant(wide, source)
    assert all(torch.equal(value, plain.state_dict()[path]) for path, value in source.state_dict().items())
    with torch.no_grad():
        for weight in wide.base_model.parameters():
            weight.add_(1)
        transplant(wide, source)
        for weight in wide.base_model.parameters():
            weight.sub_(1)
    moved = {path for path, value in source.state_dict().items() if not torch.equal(value, plain.state_dict()[path])}
    head = layer_groups(plain)[-1]
    assert moved
    assert not any(head.owns(path) for path in moved)


def test_selection_keeps_the_largest_weights_and_begins_anew_by_seed(made):
    heads = [copy.deepcopy(made("resnet")[1].head) for _ in range(3)]
    for head, seed in zip(heads, (1, 1, 2), strict=True):
        with torch.no_grad():
            head.linear.weight.zero_()
            head.linear.weight[1, [2, 5, 9]] = torch.tensor([1.0, -3.0, 2.0])
        head.select(2 / 22, seed)
        assert head.selected.nonzero().flatten().tolist() == [5, 9]
        assert head.linear.weight.any(dim=0).nonzero().flatten().tolist() == [5, 9]
    assert torch.equal(heads[0].linear.weight, heads[1].linear.weight)
    assert not torch.equal(heads[0].linear.weight, heads[2].linear.weight)
    features = torch.randn(4, 22)
    changed = features.clone()
    changed[:, [0, 3, 21]] += 1
    assert torch.equal(heads[0](features), heads[0](changed))


def test_the_lasso_is_the_gradient_of_the_sum_of_the_features_norms(made):
    head = copy.deepcopy(made("resnet")[1].head)
    with torch.no_grad():
        head.linear.weight[:, 4] = 0
    (0.5 * head.linear.weight.norm(dim=0).sum()).backward()
    expected = head.linear.weight.grad.clone()
    head.linear.weight.grad = torch.zeros_like(expected)
    head.shrink(0.5)
    assert torch.allclose(head.linear.weight.grad, expected)
    assert not head.linear.weight.grad[:, 4].any()
