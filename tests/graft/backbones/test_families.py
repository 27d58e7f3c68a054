import pytest
import transformers
from torch import nn

from graft.backbones import layer_groups
from graft.errors import CatalogError
from tests.conftest import BERT
from tests.networks import NETWORKS, from_config, from_timm


@pytest.fixture(scope="module")
def models():
    made = {}

    def get(name):
        if name not in made:
            made[name] = NETWORKS[name].build()
        return made[name]

    return get


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_any_family_is_cut_into_stem_blocks_and_head(models, name):
    names = [group.name for group in layer_groups(models(name))]
    assert names == ["stem", *(f"block {i + 1}" for i in range(NETWORKS[name].blocks)), "head"]


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_and_buffer_belongs_to_exactly_one_group(models, name):
    model = models(name)
    groups = layer_groups(model)
    for kind in (model.named_parameters(), model.named_buffers()):
        for path, _ in kind:
            assert sum(group.owns(path) for group in groups) == 1, path
    assert sum(group.parameters for group in groups) == sum(weight.numel() for weight in model.parameters())
    assert all(group.parameters == sum(model.get_parameter(path).numel() for path in group.weights) for group in groups)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_module_that_computes_belongs_to_exactly_one_group(models, name):
    model = models(name)
    groups = layer_groups(model)
    for path, module in model.named_modules():
        if not list(module.children()):
            assert sum(group.owns(path) for group in groups) == 1, path


@pytest.mark.parametrize("name", NETWORKS)
def test_groups_run_in_their_order(models, name):
    model, ran = models(name), []
    groups = layer_groups(model)
    for number, group in enumerate(groups):
        for path in group.prefixes:
            if path in dict(model.named_modules()):
                model.get_submodule(path).register_forward_hook(lambda *_, number=number: ran.append(number))
    model(**NETWORKS[name].batch([0, 1]))
    assert ran == sorted(ran)
    assert set(ran) == set(range(len(groups)))


def owner(model, path):
    return next(group.name for group in layer_groups(model) if group.owns(path))


def test_the_classifier_alone_is_the_head(models):
    for name, classifier in {
        "gpt2": {"transformer.ln_f", "score"},
        "vgg": {"timm_model.head"},
        "inception": {"timm_model.global_pool", "timm_model.head_drop", "timm_model.fc"},
        "convnext": {"convnext.layernorm", "classifier"},
    }.items():
        assert set(layer_groups(models(name))[-1].prefixes) == classifier


def test_vgg_is_cut_after_its_pooling_layers_and_keeps_its_wide_layers_below_the_head(models):
    groups = layer_groups(models("vgg"))
    last = [models("vgg").get_submodule(group.prefixes[-1]) for group in groups[:5]]
    assert {type(module) for module in last} == {nn.MaxPool2d}
    assert groups[5].prefixes == ("timm_model.pre_logits",)


def test_inception_has_its_plain_convolutions_as_stem_and_its_mixed_modules_as_blocks(models):
    groups = layer_groups(models("inception"))
    assert [group.prefixes for group in groups[1:4]] == [(f"timm_model.Mixed_5{letter}",) for letter in "bcd"]
    assert groups[0].owns("timm_model.Pool2")
    assert not groups[0].owns("timm_model.Mixed_5b.branch1x1.conv.weight")


def test_the_norm_of_a_speech_encoder_is_where_it_runs(models):
    path = "wav2vec2.encoder.layer_norm"
    assert owner(models("wav2vec2"), path) == "stem"  # normalises what enters the layers
    assert owner(models("wav2vec2 with masks"), path) == "head"  # the stable kind: what leaves them


def test_the_convolutions_that_read_sound_are_the_stem_however_large():
    config = {"model_type": "wav2vec2", "hidden_size": 8, "num_hidden_layers": 2, "intermediate_size": 8}
    model = from_config("AutoModel", config, num_attention_heads=2, num_conv_pos_embedding_groups=2)()
    assert [group.name for group in layer_groups(model)] == ["stem", "block 1", "block 2", "head"]
    assert owner(model, "feature_extractor.conv_layers.6.conv.weight") == "stem"


def test_a_bare_backbone_has_the_blocks_it_has_under_a_head():
    bare = from_config("AutoModel", BERT)()
    groups = layer_groups(bare)
    assert [group.prefixes for group in groups[:2]] == [("embeddings",), ("encoder.layer.0",)]
    assert groups[-1].prefixes == ("pooler",)


def test_timm_networks_are_cut_at_stages_not_layers():
    for architecture, blocks in {"resnet18": "timm_model.layer{}", "convnext_atto": "timm_model.stages.{}"}.items():
        groups = layer_groups(from_timm(architecture)())
        first = 1 if "layer" in blocks else 0
        assert [group.prefixes for group in groups[1:-1]] == [(blocks.format(i + first),) for i in range(4)]


def test_positions_that_every_block_reads_are_in_the_stem():
    config = {"model_type": "llama", "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = from_config("AutoModelForCausalLM", config, intermediate_size=8, vocab_size=30)()
    assert owner(model, "model.rotary_emb.inv_freq") == "stem"
    assert owner(model, "model.norm.weight") == "head"


def test_lists_that_are_run_through_side_by_side_make_common_blocks():
    config = {"model_type": "xlm", "emb_dim": 8, "n_layers": 2, "n_heads": 2, "vocab_size": 30}
    groups = layer_groups(from_config("AutoModel", config)())
    assert groups[1].prefixes == ("attentions.0", "layer_norm1.0", "ffns.0", "layer_norm2.0")


def test_weights_of_the_model_around_the_backbone_are_the_head():
    config = {**NETWORKS["wav2vec2"].build().config.to_dict(), "use_weighted_layer_sum": True}
    made = transformers.Wav2Vec2ForSequenceClassification(transformers.Wav2Vec2Config(**config))
    assert owner(made, "layer_weights") == "head"


def test_a_network_without_blocks_is_refused():
    with pytest.raises(CatalogError, match="Linear: no ordered blocks"):
        layer_groups(nn.Linear(2, 2))
