import pytest

from graft.backbones import build, load_listed, save
from graft.backbones.carrying import shorten
from graft.problems import PROBLEMS
from tests.conftest import RESNET
from tests.networks import VIT_MAE

IMAGES, PAINTING = PROBLEMS["image-classification"], PROBLEMS["masked-image-modelling"]


@pytest.fixture
def folder(tmp_path, image_processor):
    def make(model):
        save(model, image_processor, tmp_path / "net")
        return tmp_path / "net"

    return make


def test_a_checkpoint_with_its_own_head_is_carried_over_whole(folder):
    model = build(IMAGES, RESNET, ("a", "b"), seed=0)
    _, carried = load_listed(folder(model), IMAGES)
    assert (carried.over, carried.anew, carried.left) == (len(model.state_dict()), (), ())


def test_a_head_is_made_anew_whether_it_would_have_fitted_or_not(folder):
    model = build(IMAGES, RESNET, ("a", "b"), seed=0)
    for labels in (("x", "y"), ("x", "y", "z")):
        _, carried = load_listed(folder(model), IMAGES, labels)
        assert carried.anew == ("classifier.1.bias", "classifier.1.weight")
        assert carried.over == len(model.state_dict()) - 2


def test_what_a_target_has_no_place_for_is_left_behind(folder):
    model = build(PAINTING, VIT_MAE, (), seed=0)
    _, carried = load_listed(folder(model), IMAGES, ("x", "y"))
    inside = [name for name in model.state_dict() if not name.startswith("decoder")]
    assert carried.over == len(inside) - 2
    assert str(carried) == (
        f"carried over: {carried.over} tensors; made anew: classifier.bias, classifier.weight, vit.layernorm.bias, "
        "vit.layernorm.weight; left behind: decoder.* (24)"
    )
    assert carried.describe()["left_behind"] == ["decoder.* (24)"]


def test_many_names_below_one_module_are_told_by_it():
    names = [f"net.stage.{n}.weight" for n in range(5)] + ["net.fc.bias", "other"]
    assert shorten(names, "net") == ("net.fc.bias", "net.stage.* (5)", "other")
    assert shorten(names) == ("net.* (6)", "other")
