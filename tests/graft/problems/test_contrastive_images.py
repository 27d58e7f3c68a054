import math

import numpy as np
import pytest
import torch

from graft.backbones import build, layer_groups, load, load_listed, require_fit, save, share_layers, transplant
from graft.errors import CatalogError
from graft.problems import PROBLEMS
from graft.problems.contrastive_images import TEMPERATURE, contrast, draw_views
from graft.problems.examples import Examples
from graft.training import predict, score
from graft.training.batches import generator
from tests.conftest import RESNET
from tests.networks import CONVNEXT, TIMM, UPERNET, VIT

VIEWS, IMAGES = PROBLEMS["contrastive-images"], PROBLEMS["image-classification"]
SWIN = {
    "model_type": "swin", "num_channels": 1, "image_size": 16, "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2],
    "window_size": 4, "patch_size": 2,
}  # fmt: skip
TIMM_VIT = {"model_type": "timm_wrapper", "architecture": "test_vit", "model_args": {"in_chans": 1, "img_size": 16}}
FAMILIES = {"resnet": RESNET, "vit": VIT, "convnext": CONVNEXT, "swin": SWIN, "timm": TIMM, "timm vit": TIMM_VIT}


def make(config):
    return build(VIEWS, {**config, **VIEWS.head(None)}, (), seed=0).eval()


def test_the_loss_is_equation_1_of_the_paper():
    projections = torch.randn(5, 2, 7, generator=generator(0))
    flat = torch.nn.functional.normalize(
        projections.flatten(0, 1), dim=1
    ).double()  # views 2k and 2k + 1 belong together
    expected = torch.zeros(5, 2)
    for i in range(10):
        partner = i + 1 - 2 * (i % 2)
        others = sum(math.exp(float(flat[i] @ flat[k]) / TEMPERATURE) for k in range(10) if k != i)
        expected[i // 2, i % 2] = -math.log(math.exp(float(flat[i] @ flat[partner]) / TEMPERATURE) / others)
    torch.testing.assert_close(contrast(projections), expected)


def test_views_that_are_alike_cost_less_than_views_that_are_not():
    alike = torch.eye(8)[:4][:, None].expand(-1, 2, -1)
    strangers = torch.eye(8).reshape(4, 2, 8)
    assert contrast(alike).mean() < contrast(strangers).mean()
    assert float(contrast(strangers).mean()) == pytest.approx(math.log(7))  # every other view as likely


@pytest.mark.parametrize(("channels", "side"), [(1, 16), (3, 24), (3, 80)])
def test_views_are_drawn_by_the_generator_alone(channels, side):
    pictures = np.random.default_rng(0).integers(0, 256, (3, channels, side, side), dtype=np.uint8)
    images = torch.from_numpy(pictures)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, again, other = (draw_views(images, generator(seed)) for seed in (0, 0, 1))
    assert first.shape == (3, 2, channels, side, side)
    assert first.dtype == torch.uint8
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[:, 0], first[:, 1])
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("config", FAMILIES.values(), ids=FAMILIES)
def test_a_projection_reads_what_a_classifier_over_the_same_layers_reads(config, tmp_path, image_processor):
    source = make(config)
    save(source, image_processor, tmp_path)
    model, carried = load_listed(tmp_path, IMAGES, ("a", "b", "c"))
    assert not hasattr(model.config, "projection_size")
    head = layer_groups(source)[-1]
    below = [name for name in source.state_dict() if not head.owns(name)]
    assert carried.over == len(below)
    assert all(torch.equal(source.state_dict()[name], model.state_dict()[name]) for name in below)
    model.load_state_dict({**model.state_dict(), **{  # the norm above the blocks is made anew with the head
        name: weight for name, weight in source.state_dict().items() if name in model.state_dict()
    }})  # fmt: skip
    heard = []
    classifier = next(module for module in model.modules() if getattr(module, "out_features", None) == 3)
    classifier.register_forward_pre_hook(lambda _, arguments: heard.append(arguments[0]))
    pixels = torch.randn(4, 1, 16, 16, generator=generator(2))
    with torch.no_grad():
        model.eval()(pixel_values=pixels)
        torch.testing.assert_close(source.represent(pixels), heard[0].reshape(4, -1), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("config", FAMILIES.values(), ids=FAMILIES)
def test_a_checkpoint_comes_back_with_its_projection(config, tmp_path, image_processor):
    source = make(config)
    save(source, image_processor, tmp_path)
    back = load(tmp_path, VIEWS)
    assert all(torch.equal(weight, back.state_dict()[name]) for name, weight in source.state_dict().items())
    back.load_state_dict(source.state_dict())


@pytest.mark.parametrize("config", [RESNET, TIMM, VIT], ids=["resnet", "timm", "vit"])
def test_a_classifier_gets_a_projection_and_keeps_its_layers(config, tmp_path, image_processor):
    classifier = build(IMAGES, config, ("a", "b"), seed=3)
    save(classifier, image_processor, tmp_path)
    model, carried = load_listed(tmp_path, VIEWS, (), 0, VIEWS.head(image_processor))
    head = layer_groups(model)[-1]
    old = classifier.state_dict()
    assert all(torch.equal(w, old[name]) for name, w in model.state_dict().items() if not head.owns(name))
    assert set(carried.anew) >= {"projection.0.weight", "projection.2.bias"}


@pytest.mark.parametrize("config", [RESNET, TIMM, VIT], ids=["resnet", "timm", "vit"])
def test_adapted_layers_go_under_the_projection_and_a_replayed_source_teaches_them(
    config, tmp_path, image_processor, images
):
    source = make(config)
    save(source, image_processor, tmp_path)
    model = load(tmp_path, IMAGES, ("a", "b", "c"))
    before = score(source, VIEWS, images, image_processor)["loss"]
    transplant(model, source)
    assert score(source, VIEWS, images, image_processor)["loss"] == before
    share_layers(model, source)
    batch = VIEWS.collate(images, range(6), image_processor, generator(0), training=True)
    labels = batch.pop("labels")
    VIEWS.loss(VIEWS.read(source.train()(**batch)), labels, 0.0).backward()
    head = layer_groups(model)[-1]
    assert not [name for name, weight in model.named_parameters() if not head.owns(name) and weight.grad is None]


def test_a_score_is_one_number_and_the_mean_over_all_views(images, image_processor):
    model = make(RESNET)
    first, again = (score(model, VIEWS, images, image_processor)["loss"] for _ in range(2))
    assert first == again
    answers = predict(model, VIEWS, images, image_processor)
    assert answers.shape == (33, 2)
    assert VIEWS.grade(answers, None).mean == pytest.approx(first, rel=1e-5)
    assert 0 < first < math.log(65) + 1 / TEMPERATURE


def test_one_row_alone_has_nothing_to_be_told_from(image_processor, images):
    one = Examples(images.features[:1], None)
    assert score(make(RESNET), VIEWS, one, image_processor)["loss"] == pytest.approx(0, abs=1e-6)


def test_a_head_over_another_network_is_refused():
    with pytest.raises(CatalogError, match="'upernet' is a head over another network"):
        build(VIEWS, UPERNET, (), seed=0)


def test_a_network_of_texts_is_refused():
    with pytest.raises(CatalogError, match="BertModel reads no images"):
        build(VIEWS, {"model_type": "bert", **VIEWS.head(None)}, (), seed=0)


def test_images_that_a_network_does_not_read_are_named_as_images_and_not_as_views(images, image_processor):
    batch = VIEWS.collate(images, range(2), image_processor, generator(0), training=False)
    network = make({**RESNET, "num_channels": 3})
    with pytest.raises(
        CatalogError, match=r"images of 16x16 pixels and 1 channel(.|\n)*reads 3 channel\(s\), the image"
    ):
        require_fit(network, {"pixel_values": batch["pixel_values"]})
