import json

import pytest

from flows.commands.layers import layers
from graft.backbones import build
from graft.errors import CatalogError
from graft.problems import PROBLEMS
from tests.conftest import RESNET

PARAMS = """
sources:
  shapes:
    problem: image-classification
    data: {path: data/shapes}
    backbone: {config: {model_type: resnet, embedding_size: 4, hidden_sizes: [4, 6, 8], depths: [1, 1, 1]}}
targets:
  few: {source: shapes, problem: image-classification, data: {path: data/few}, study: {}}
"""


@pytest.fixture(autouse=True)
def catalogue(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS)


def shown(capsys, *wishes):
    layers("few", True, wishes)
    return {group["name"]: group.get("matched") for group in json.loads(capsys.readouterr().out)["groups"]}


@pytest.mark.parametrize(
    ("wishes", "matched"),
    [
        ((), set()),
        (("1",), {"block 3", "head"}),
        (("last 67 %", "stem"), {"stem", "block 2", "block 3", "head"}),
        (("*.stages.0.*",), {"block 1"}),
    ],
)
def test_what_words_name_is_shown_before_anything_is_trained(capsys, wishes, matched):
    found = shown(capsys, *wishes)
    assert list(found) == ["stem", "block 1", "block 2", "block 3", "head"]
    assert {name for name, one in found.items() if one} == matched
    assert all(one is not None for one in found.values()) is bool(wishes)


def test_words_that_name_nothing_are_all_refused_at_once():
    with pytest.raises(CatalogError) as error:
        layers("few", False, ["9", "*.nowhere.*"])
    assert len(error.value.problems) == 2


@pytest.mark.parametrize("made", ["config", "checkpoint"])
def test_the_layers_of_a_network_that_images_without_labels_will_teach(tmp_path, monkeypatch, capsys, made):
    monkeypatch.chdir(tmp_path)
    backbone = {"config": RESNET}
    if made == "checkpoint":
        build(PROBLEMS["image-classification"], RESNET, ("a", "b"), seed=0).save_pretrained(tmp_path / "net")
        backbone = {"checkpoint": "net"}
    source = {"problem": "contrastive-images", "data": {"path": "x"}, "backbone": backbone}
    (tmp_path / "params.yaml").write_text(json.dumps({"sources": {"views": source}}))
    layers("views", True)
    groups = json.loads(capsys.readouterr().out)["groups"]
    assert groups[-1]["name"] == "head"
    assert groups[-1]["parameters"] == 8 * 8 + 8 + 8 * 128 + 128
