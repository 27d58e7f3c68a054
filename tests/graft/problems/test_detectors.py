"""What detectors return: their own losses, read from one tensor, and the detections in it."""

import copy

import pytest
import torch
import transformers
from torchvision.ops import box_convert, box_iou

from graft.backbones import build, layer_groups, load, share_layers, transplant
from graft.backbones.body import bare_body
from graft.backbones.fcos import cells
from graft.backbones.framing import by_plain_name
from graft.catalog import Pretraining
from graft.errors import CatalogError
from graft.problems import PROBLEMS
from graft.problems.detectors import KEPT, LEAST, detect, loss_of, pack
from graft.problems.object_detection import unpack
from graft.training.activations import Activations
from graft.training.batches import generator
from graft.training.feed import Feed
from graft.training.recording import record
from tests.boxes import DETR, FCOS, YOLOS, scene_table
from tests.networks import NETWORKS as SMALL

PROBLEM = PROBLEMS["object-detection"]
LABELS = ("disc", "square")
CONDITIONAL = {**DETR, "model_type": "conditional_detr"}
NETWORKS = {"fcos": FCOS, "detr": DETR, "conditional_detr": CONDITIONAL, "yolos": YOLOS}


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    """Return the name of a kind and a small network of it."""
    return request.param, build(PROBLEM, copy.deepcopy(NETWORKS[request.param]), LABELS, 0).eval()


@pytest.fixture(scope="module")
def batch():
    """Return examples of four scenes and a processor, as the problem makes them."""
    table = settled(scene_table(4, 1))
    processor = PROBLEM.make_processor(table, FCOS, Pretraining(image_size=64))
    return PROBLEM.encode(table, processor), processor


def settled(table):
    objects = PROBLEM.convert("objects", table["objects"].to_pylist())[0]
    table = table.set_column(1, "objects", objects)
    table = table.append_column("file", [["a"] * len(table)]).append_column("row", [[*range(1, len(table) + 1)]])
    return PROBLEM.settle({"train": table}, None, ()).splits["train"]


def inputs(batch, rows=(0, 1, 2, 3)):
    examples, processor = batch
    made = PROBLEM.collate(examples, rows, processor, generator(0), training=False)
    return made.pop("labels"), made


def targets(labels):
    kept = [row[row[:, 0] >= 0] for row in labels]
    return [{"class_labels": row[:, 0].long(), "boxes": box_convert(row[:, 1:5], "xyxy", "cxcywh")} for row in kept]


def test_the_loss_is_the_models_own(network, batch):
    kind, model = network
    labels, given = inputs(batch)
    with torch.no_grad():
        output = model(**given) if kind == "fcos" else model(**given, labels=targets(labels))
    found = PROBLEM.loss(PROBLEM.read(output), labels, 0.0)
    if kind != "fcos":
        assert float(found) == pytest.approx(float(output.loss), rel=1e-5)
    assert torch.isfinite(found)
    assert PROBLEM.weigh(labels) == sum(len(each["boxes"]) for each in targets(labels))


def test_every_weight_learns_and_an_image_without_boxes_is_learned_from(network, batch):
    _, model = network
    labels, given = inputs(batch)
    labels[1, 1:] = -1
    model.train()
    PROBLEM.loss(PROBLEM.read(model(**given)), labels, 0.0).backward()
    idle = [name for name, weight in model.named_parameters() if weight.requires_grad and weight.grad is None]
    assert all("layernorm" in name or "mid_position" in name for name in idle), idle
    model.zero_grad()
    labels[:, 1:] = -1
    PROBLEM.loss(PROBLEM.read(model.eval()(**given)), labels, 0.0).backward()
    assert PROBLEM.weigh(labels) == 0


def test_boxes_that_do_not_count_change_no_loss(batch):
    labels, given = inputs(batch)
    model = build(PROBLEM, copy.deepcopy(FCOS), LABELS, 0).eval()
    with torch.no_grad():
        packed = PROBLEM.read(model(**given))
    ignored = torch.cat([labels, torch.tensor([0, 0.1, 0.1, 0.9, 0.9, 2.0]).expand(4, 1, 6)], dim=1)
    assert PROBLEM.loss(packed, ignored, 0.0) == PROBLEM.loss(packed, labels, 0.0)


def test_a_head_that_is_right_loses_least_and_is_read_as_the_boxes(batch):
    """FCOS: from numbers that say exactly what is there, the boxes come back, each once."""
    labels, _ = inputs(batch)
    places = cells([(16, 16), (8, 8), (4, 4)])
    said = torch.zeros(4, len(places), 2 + 9)
    said[:, :, :2], said[:, :, 6], said[:, :, 7:] = -9.0, -9.0, places
    wrong = said.clone()
    middles, sizes = (places[:, :2] + places[:, 2:]) / 2, (places[:, 2:] - places[:, :2]).repeat(1, 2)
    for row, lines in enumerate(labels):
        for kind, left, top, right, bottom, _ in lines[lines[:, 0] >= 0].flip(0):
            box = torch.stack([left, top, right, bottom])
            near = (middles - (box[:2] + box[2:]) / 2).abs().amax(1)[:256].argmin()
            distances = torch.cat([middles - box[:2], box[2:] - middles], dim=1) / sizes
            said[row, near, 2:6] = distances[near]
            said[row, near, int(kind)], said[row, near, 6] = 9.0, 9.0
    packed, other = (torch.cat([torch.zeros(4, 1, 11), one], dim=1) for one in (said, wrong))
    assert PROBLEM.loss(packed, labels, 0.0) < PROBLEM.loss(other, labels, 0.0)
    answers = PROBLEM.answer(packed, labels).numpy()
    for lines, answer in zip(labels, answers, strict=True):
        true, found = lines[lines[:, 0] >= 0], torch.from_numpy(unpack(answer)).float()
        same = (true[:, None, 0] == found[None, :, 0]) & (box_iou(true[:, 1:5], found[:, 2:]) > 0.99)
        assert same.any(dim=1).all()
        assert (found[:, 1] > 0.99).all()
    measured = PROBLEM.named(LABELS).measure(answers, labels.numpy())
    assert measured == pytest.approx({"map": 1.0, "map_50": 1.0, "ap_disc": 1.0, "ap_square": 1.0})


@pytest.mark.parametrize("network", [kind for kind in NETWORKS if kind != "fcos"], indirect=True)
def test_detections_are_those_of_transformers(network, batch):
    kind, model = network  # FCOS is not one of theirs
    _, given = inputs(batch)
    with torch.no_grad():
        output = model(**given)
    random = torch.Generator().manual_seed(0)  # what an untrained network says is nearly the same everywhere
    output.logits = torch.randn(output.logits.shape, generator=random)
    output.pred_boxes = torch.rand(output.pred_boxes.shape, generator=random)
    name = {"conditional_detr": "ConditionalDetr", "detr": "Detr", "yolos": "Yolos"}[kind]
    reader = getattr(transformers, f"{name}ImageProcessor")
    for found, expected in zip(
        detect(pack(output)), reader().post_process_object_detection(output, threshold=LEAST), strict=True
    ):
        order = expected["scores"].argsort(descending=True, stable=True)
        assert found[:, 1].tolist() == pytest.approx(expected["scores"][order].tolist())
        assert torch.equal(found[:, 0].long(), expected["labels"][order])
        assert torch.allclose(found[:, 2:], expected["boxes"][order].clamp(0, 1), atol=1e-6)


def test_at_most_a_hundred_detections_of_an_image_are_kept():
    places = cells([(16, 16)])
    said = torch.cat([torch.full((256, 2), 3.0), torch.full((256, 4), 0.4), torch.full((256, 1), 3.0), places], dim=1)
    (found,) = detect(torch.cat([torch.zeros(1, 11), said])[None])
    assert len(found) == KEPT
    said[:, :2] = -9.0
    (found,) = detect(torch.cat([torch.zeros(1, 11), said])[None])
    assert len(found) == 0
    assert PROBLEM.answer(torch.cat([torch.zeros(1, 11), said])[None], None).isnan().all()


def test_the_smaller_of_two_boxes_has_a_point_that_is_in_both():
    """As in section 3.2 of the paper: what is learned at a point does not depend on the order of the boxes."""
    places = cells([(8, 8), (4, 4)])
    said = torch.zeros(1, 1 + len(places), 2 + 9)
    said[0, 1:, 2:6], said[0, 1:, 7:] = 1.0, places
    boxes = torch.tensor([[0.2, 0.2, 0.8, 0.8], [0.4, 0.4, 0.6, 0.6]])
    kinds = torch.tensor([0, 1])
    one, other = (loss_of(said, [kinds[order]], [boxes[order]]) for order in ([0, 1], [1, 0]))
    assert float(one) == pytest.approx(float(other))


def test_groups_hold_every_weight_and_the_head_is_what_is_new_for_other_classes(network, tmp_path):
    kind, model = network
    groups = layer_groups(model)
    owners = [[group.name for group in groups if group.owns(name)] for name, _ in model.named_parameters()]
    assert all(len(names) == 1 for names in owners)
    assert [group.name for group in groups][:2] == ["stem", "block 1"]
    model.save_pretrained(tmp_path)
    again = load(tmp_path, PROBLEM, ("a", "b", "c"), seed=1)
    weights = model.state_dict()
    changed = {name for name, value in again.state_dict().items()
               if value.shape != weights[name].shape or not torch.equal(value, weights[name])}  # fmt: skip
    assert changed
    assert all(groups[-1].owns(name) for name in changed)
    if kind != "fcos":
        assert groups[-1].prefixes == ("class_labels_classifier",)
        assert not any("bbox" in name for name in changed)


def test_what_is_adapted_is_put_under_the_sources_own_head(network, tmp_path):
    _, model = network
    model.save_pretrained(tmp_path)
    adapted, source, shared = load(tmp_path, PROBLEM, ("a", "b", "c")), load(tmp_path, PROBLEM), load(tmp_path, PROBLEM)
    with torch.no_grad():
        for weight in adapted.parameters():
            weight.add_(1.0)
    transplant(adapted, source)
    head, before = layer_groups(source)[-1], model.state_dict()
    for name, weight in source.named_parameters():
        assert torch.equal(weight, before[name] if head.owns(name) else before[name] + 1.0), name
    share_layers(adapted, shared)
    mine = {id(weight) for weight in adapted.parameters()}
    assert {name for name, weight in shared.named_parameters() if id(weight) not in mine} == {*head.weights}


def test_frozen_layers_are_played_back(network, batch):
    kind, model = network
    groups = layer_groups(model)
    feed = Feed.of(PROBLEM, *batch)
    found = record(model, feed, range(1, len(groups)), Activations(10**8))
    # boxes are placed after the classes are told, and the second decoder layer reads the positions again
    assert len(found.boundaries) >= len(groups) - 3, found.off
    assert kind != "fcos" or not found.off


def test_a_network_without_a_head_for_boxes_is_refused():
    with pytest.raises(CatalogError, match=r"'vit' has no head for boxes .* graft-fcos"):
        build(PROBLEM, {"model_type": "vit"}, LABELS, 0)


@pytest.mark.parametrize("kind", ["resnet", "timm resnet"])
def test_a_classifier_becomes_the_backbone_of_an_fcos_with_all_of_its_stages(kind, tmp_path):
    SMALL[kind].make().save_pretrained(tmp_path)
    model = load(tmp_path, PROBLEM, LABELS)
    classifier = load(tmp_path, PROBLEMS["image-classification"])
    assert (model.config.model_type, len(model.backbone.channels)) == (
        "graft-fcos",
        {"resnet": 3, "timm resnet": 4}[kind],
    )
    channels = next(weight.shape[1] for weight in model.backbone.parameters() if weight.ndim == 4)
    packed = PROBLEM.read(model.eval()(torch.zeros(2, channels, 64, 64)))
    assert packed.shape[2] == len(LABELS) + 9
    own, given = (by_plain_name(bare_body(one).state_dict()) for one in (model, classifier))
    assert all(torch.equal(weight, given[name]) for name, weight in own.items())
    assert {group.name for group in layer_groups(model)} >= {"stem", "block 1", "block 2", "head"}
