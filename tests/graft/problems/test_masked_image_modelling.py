import numpy as np
import pytest
import torch
import transformers

from graft.backbones import build, layer_groups, load, save, share_layers, transplant
from graft.catalog import load as load_catalog
from graft.errors import CatalogError
from graft.problems import PROBLEMS
from graft.training import predict, score
from graft.training.batches import generator
from tests.networks import VIT, VIT_MAE

PAINTING, IMAGES = PROBLEMS["masked-image-modelling"], PROBLEMS["image-classification"]


@pytest.fixture
def network():
    return build(PAINTING, VIT_MAE, (), seed=0).eval()


@pytest.mark.parametrize("normalised", [False, True])
def test_the_loss_is_that_of_transformers_for_the_same_hidden_patches(images, image_processor, normalised):
    model = build(PAINTING, {**VIT_MAE, "norm_pix_loss": normalised}, (), seed=0).eval()
    batch = PAINTING.collate(images, range(7), image_processor, generator(3), training=True)
    with torch.no_grad():
        rows = PAINTING.read(model(pixel_values=batch["pixel_values"], draws=batch["draws"]))
        plain = transformers.ViTMAEForPreTraining(model.config)
        plain.load_state_dict(model.state_dict())
        noise = torch.stack([batch["draws"][:, 4 * y, 4 * x] for y in range(4) for x in range(4)], dim=1)
        own = plain.eval()(pixel_values=batch["pixel_values"], noise=noise)
    assert float(PAINTING.loss(rows, batch["labels"], 0.0)) == pytest.approx(float(own.loss), rel=1e-5)
    assert rows[:, 1].tolist() == [12.0] * 7  # three of four


def test_what_an_untrained_decoder_paints_costs_the_variance_of_a_pixel(images, image_processor, network):
    """The mean and the deviation are those of the processor, so whoever says the mean is wrong by about 1."""
    with torch.no_grad():
        network.decoder.decoder_pred.weight.zero_()
        network.decoder.decoder_pred.bias.zero_()
    pixels = (np.stack(images.features) / 255 - 0.5) / 0.25
    assert score(network, PAINTING, images, image_processor)["loss"] == pytest.approx((pixels**2).mean(), rel=0.05)


def test_a_score_is_one_number_and_draws_nothing_from_torch(images, image_processor, network):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again = (score(network, PAINTING, images, image_processor) for _ in range(2))
    assert first == again
    assert torch.equal(before, torch.get_rng_state())
    answers = predict(network, PAINTING, images, image_processor)
    assert PAINTING.grade(answers, None).mean == pytest.approx(first["loss"], rel=1e-5)


def test_other_patches_are_hidden_in_every_step(images, image_processor):
    first, second = (
        PAINTING.collate(images, range(4), image_processor, generator(0, step), training=True)["draws"]
        for step in range(2)
    )
    assert not torch.equal(first, second)


def test_the_layers_compute_the_same_in_the_network_that_a_target_gets(tmp_path, image_processor, images):
    whole = build(PAINTING, {**VIT_MAE, "mask_ratio": 0.0}, (), seed=0).eval()
    save(whole, image_processor, tmp_path / "source")
    model = load(tmp_path / "source", IMAGES, ("a", "b")).eval()
    assert type(model) is transformers.ViTForImageClassification
    assert {name: model.config.to_dict()[name] for name in VIT} == VIT
    assert not hasattr(model.config, "decoder_hidden_size")
    pixels = IMAGES.collate(images, range(5), image_processor, generator(0), training=False)["pixel_values"]
    in_order = torch.arange(256).view(1, 16, 16).expand(5, -1, -1).float()  # nothing hidden, patches as they stand
    inside = {}
    for name, one in (("source", whole), ("target", model)):
        one.vit.layers[-1].register_forward_hook(lambda *heard, name=name: inside.update({name: heard[-1]}))
    with torch.no_grad():
        whole(pixel_values=pixels, draws=in_order)
        model(pixel_values=pixels)
    torch.testing.assert_close(inside["source"], inside["target"], rtol=0, atol=1e-6)


def test_adapted_layers_go_back_under_the_decoder(tmp_path, image_processor, network):
    save(network, image_processor, tmp_path / "source")
    model = load(tmp_path / "source", IMAGES, ("a", "b"))
    with torch.no_grad():
        model.vit.layers[1].mlp.fc1.weight.add_(1.0)
    transplant(model, network)
    below = layer_groups(network)[:-1]
    for name, weight in network.state_dict().items():
        if any(group.owns(name) for group in below):
            assert torch.equal(weight, model.state_dict()[name]), name


def test_a_source_that_is_replayed_teaches_every_layer_of_the_target(tmp_path, image_processor, images, network):
    save(network, image_processor, tmp_path / "source")
    model = load(tmp_path / "source", IMAGES, ("a", "b"))
    share_layers(model, network)
    batch = PAINTING.collate(images, range(4), image_processor, generator(0), training=True)
    labels = batch.pop("labels")
    PAINTING.loss(PAINTING.read(network(**batch)), labels, 0.0).backward()
    head = layer_groups(model)[-1]
    assert not [name for name, weight in model.named_parameters() if not head.owns(name) and weight.grad is None]


def entry(problem, config):
    return {"problem": problem, "data": {"path": "x"}, "backbone": {"config": config}}


def test_a_network_without_such_a_decoder_and_a_target_are_refused(tmp_path):
    from ruamel.yaml import YAML

    painter = {**VIT_MAE, "image_size": 32}
    target = {"source": "mae", "problem": PAINTING.name, "data": {"path": "y"}, "study": {}}
    sources = {"mae": entry(PAINTING.name, painter), "vit": entry(PAINTING.name, {**VIT, "image_size": 32})}
    with (tmp_path / "params.yaml").open("w") as stream:
        YAML(typ="safe").dump({"sources": sources, "targets": {"t": target}}, stream)
    with pytest.raises(CatalogError) as error:
        load_catalog(tmp_path / "params.yaml")
    said = "\n".join(error.value.problems)
    assert "sources.vit.backbone.config.model_type: 'vit' has no decoder that paints hidden patches" in said
    assert "targets.t.problem: masked-image-modelling only pretrains" in said
    assert "sources.mae" not in said
