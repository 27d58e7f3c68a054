import numpy as np
import pyarrow as pa
import pytest
import torch

from graft.backbones import build, layer_groups
from graft.catalog import Pretraining
from graft.problems import PROBLEMS
from graft.problems.examples import Examples
from graft.training.batches import generator
from graft.transferability.features import extract
from tests.conftest import BERT, RESNET
from tests.networks import LLAMA

IMAGES, TEXTS, MASKED = (
    PROBLEMS[name] for name in ("image-classification", "text-classification", "masked-language-modelling")
)
GPT2 = {"model_type": "gpt2", "n_embd": 8, "n_layer": 2, "n_head": 2, "n_positions": 16, "vocab_size": 60}
VIT = {
    "model_type": "vit", "image_size": 16, "patch_size": 8, "num_channels": 1, "hidden_size": 8,
    "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8,
}  # fmt: skip
SENTENCES = ["the cat sat on the mat", "a dog", "the quick brown fox jumps over the dog", "a cat"] * 20


@pytest.fixture(scope="module")
def tokenizer():
    return MASKED.make_processor(pa.table({"text": SENTENCES}), BERT, Pretraining(vocabulary_size=100, max_tokens=12))


def texts(tokenizer, config):
    model = build(TEXTS, {**config, "vocab_size": len(tokenizer), "pad_token_id": 0}, ("a", "b"), seed=0)
    return model, TEXTS.encode(pa.table({"text": SENTENCES[:4]}), tokenizer)


@torch.no_grad()
def outputs(model, module, batch):
    """Return what a module gives, by running the model once with a hook of our own."""
    kept = []
    handle = module.register_forward_hook(lambda _, __, output: kept.append(output))
    model.eval()(**batch)
    handle.remove()
    return kept[-1][0] if isinstance(kept[-1], tuple) else kept[-1]


def test_maps_are_averaged_over_space_at_every_boundary(images, image_processor):
    model = build(IMAGES, RESNET, ("a", "b", "c"), seed=0)
    frozen = extract(model, IMAGES, images, image_processor, own_head=True)
    batch = IMAGES.collate(images, range(33), image_processor, generator(0), training=False)
    batch.pop("labels")
    assert list(frozen.boundaries) == ["stem", "block 1", "block 2", "block 3"]
    modules = [model.resnet.embedder, *model.resnet.encoder.stages]
    for module, found in zip(modules, frozen.boundaries.values(), strict=True):
        expected = outputs(model, module, batch).mean(dim=(2, 3)).numpy()
        assert found.shape == expected.shape
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert [features.shape[1] for features in frozen.boundaries.values()] == [4, 4, 6, 8]
    assert frozen.last == "block 3"


def test_sequences_are_averaged_over_real_tokens(tokenizer):
    model, examples = texts(tokenizer, BERT)
    frozen = extract(model, TEXTS, examples, tokenizer, own_head=True)
    assert list(frozen.boundaries) == ["stem", "block 1", "block 2", "block 3"]
    for row, ids in enumerate(examples.features):
        alone = outputs(model, model.bert.encoder.layer[1], {"input_ids": torch.tensor(ids)[None]})
        np.testing.assert_allclose(frozen.boundaries["block 2"][row], alone[0].mean(dim=0).numpy(), atol=1e-5)


@pytest.mark.parametrize("config", [BERT, GPT2], ids=lambda config: config["model_type"])
def test_the_rows_that_a_row_is_batched_with_do_not_matter(config, tokenizer):
    model, examples = texts(tokenizer, config)
    together = extract(model, TEXTS, examples, tokenizer, own_head=True)
    for row, ids in enumerate(examples.features):
        alone = extract(model, TEXTS, Examples([ids], None), tokenizer, own_head=True)
        for name, features in alone.boundaries.items():
            np.testing.assert_allclose(features[0], together.boundaries[name][row], atol=1e-5)


def test_the_stem_ends_where_the_first_block_begins(tokenizer):
    """GPT-2's stem is token and position embeddings, added outside of either: its last module has the sum."""
    model, examples = texts(tokenizer, GPT2)
    inputs = []
    handle = model.transformer.h[0].register_forward_pre_hook(
        lambda _, arguments, named: inputs.append(arguments[0] if arguments else named["hidden_states"]),
        with_kwargs=True,
    )
    frozen = extract(model, TEXTS, Examples(examples.features[:1], None), tokenizer, own_head=True)
    handle.remove()
    np.testing.assert_allclose(frozen.boundaries["stem"][0], inputs[0][0].mean(dim=0).numpy(), atol=1e-6)


def test_patches_count_equally():
    from transformers import ViTImageProcessorPil

    processor = ViTImageProcessorPil(size={"height": 16, "width": 16}, image_mean=[0.5], image_std=[0.25])
    model = build(IMAGES, VIT, ("a", "b"), seed=0)
    pixels = [np.full((1, 16, 16), 40 * row, np.uint8) for row in range(3)]
    frozen = extract(model, IMAGES, Examples(pixels, None), processor, own_head=True)
    assert [name for name in frozen.boundaries if name.startswith("block")] == ["block 1", "block 2"]
    assert all(features.shape == (3, 8) for features in frozen.boundaries.values())


def test_the_own_head_gives_probabilities_and_a_new_one_none(images, image_processor):
    model = build(IMAGES, RESNET, ("a", "b", "c"), seed=0)
    probabilities = extract(model, IMAGES, images, image_processor, own_head=True).probabilities
    assert probabilities.shape == (33, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert extract(model, IMAGES, images, image_processor, own_head=False).probabilities is None


def test_labels_are_not_read_so_a_source_of_fewer_classes_has_features_too(images, image_processor):
    model = build(IMAGES, RESNET, ("a", "b"), seed=0)
    other = Examples(images.features, images.labels + 5)
    with_labels, without = (
        extract(model, IMAGES, rows, image_processor, own_head=True)
        for rows in (other, Examples(images.features, None))
    )
    assert np.array_equal(with_labels.boundaries["block 3"], without.boundaries["block 3"])


def test_a_model_is_left_as_it_was(images, image_processor):
    model = build(IMAGES, RESNET, ("a", "b"), seed=0).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    extract(model, IMAGES, images, image_processor, own_head=True)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert model.training


def test_more_rows_than_a_batch_keep_their_order(images, image_processor):
    model = build(IMAGES, RESNET, ("a", "b"), seed=0)
    few = extract(model, IMAGES, images, image_processor, own_head=True).boundaries["block 1"]
    many = Examples(list(images.features) * 10, None)
    np.testing.assert_allclose(
        extract(model, IMAGES, many, image_processor, own_head=True).boundaries["block 1"],
        np.tile(few, (10, 1)),
        atol=1e-6,
    )


def test_every_group_below_the_head_has_a_boundary(images, image_processor):
    model = build(IMAGES, RESNET, ("a", "b"), seed=0)
    frozen = extract(model, IMAGES, images, image_processor, own_head=True)
    assert list(frozen.boundaries) == [group.name for group in layer_groups(model)][:-1]


def test_positions_that_every_block_reads_are_not_what_leaves_the_stem(tokenizer):
    model, examples = texts(tokenizer, LLAMA)
    frozen = extract(model, TEXTS, examples, tokenizer, own_head=True)
    batch = TEXTS.collate(examples, range(4), tokenizer, generator(0), training=False)
    expected = outputs(model, model.model.embed_tokens, batch)
    mask = batch["attention_mask"][:, :, None]
    mean = (expected * mask).sum(1) / mask.sum(1)
    np.testing.assert_allclose(frozen.boundaries["stem"], mean.numpy(), atol=1e-6)
