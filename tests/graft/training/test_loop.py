import hashlib

import pytest
import torch

from graft import interruption
from graft.backbones import build, layer_groups
from graft.catalog import Study
from graft.errors import CheckpointError, Interrupted
from graft.problems import PROBLEMS
from graft.problems.problem import Examples
from graft.settings import settings
from graft.strategies import STRATEGIES, resolve
from graft.training import Job, score, train
from tests.conftest import RESNET

PROBLEM = PROBLEMS["image-classification"]
STEPS = 12


class Killed(BaseException):
    """Stands for a process that ends between two steps."""


@pytest.fixture
def run(images, image_processor, tmp_path):
    """Return a function that trains a fresh network and gives its weights' digest; `kill` ends it after that step."""

    def go(strategy="full", folder="state", kill=None, **changes):
        model = build(PROBLEM, RESNET, ("a", "b", "c"), seed=0)
        legs = resolve(STRATEGIES[strategy], [group.name for group in layer_groups(model)], STEPS)
        job = {
            "problem": PROBLEM,
            "processor": image_processor,
            "train": images,
            "validation": images,
            "legs": legs,
            "learning_rate": 1e-2,
            "recipe": Study(),
            "seed": 0,
            "measure_every": 4,
            "patience": None,
            "folder": tmp_path / folder,
        }

        def report(step, message):
            if step == kill:
                raise Killed

        trained = train(Job(**(job | changes)), model, report)
        return weights_digest(model), trained, model

    return go


@pytest.fixture
def every_step(monkeypatch):
    """Save the state after every step."""
    monkeypatch.setenv("GRAFT_CHECKPOINT_SECONDS", "0")
    settings.cache_clear()


def weights_digest(model):
    return hashlib.sha256(b"".join(value.numpy().tobytes() for value in model.state_dict().values())).hexdigest()


@pytest.mark.parametrize("kill", [1, 6, 7])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_killed_run_ends_in_the_same_bits(run, every_step, strategy, kill):
    unbroken, _, _ = run(strategy, "unbroken")
    with pytest.raises(Killed):
        run(strategy, "broken", kill=kill)
    resumed, _, _ = run(strategy, "broken")
    assert resumed == unbroken


def test_early_stopping_survives_a_kill(run, every_step, images):
    wrong = Examples(images.features, (images.labels + 1) % 3)  # the better it learns, the worse it does on these
    changes = {"patience": 2, "measure_every": 2, "validation": wrong, "learning_rate": 3e-2}
    unbroken, whole, _ = run(folder="unbroken", **changes)
    assert whole.steps < whole.curve[-1]["step"] < STEPS
    with pytest.raises(Killed):
        run(folder="broken", kill=5, **changes)
    resumed, again, _ = run(folder="broken", **changes)
    assert (resumed, again.curve) == (unbroken, whole.curve)


def test_a_run_learns(run, images, image_processor):
    _, _, model = run(legs=resolve(STRATEGIES["full"], ["stem", "block 1", "block 2", "block 3", "head"], 60))
    assert score(model, PROBLEM, images, image_processor)["accuracy"] > 0.9


def test_frozen_weights_and_statistics_stay_to_the_bit(run):
    before = build(PROBLEM, RESNET, ("a", "b", "c"), seed=0).state_dict()
    _, _, model = run("top-1")
    groups = {group.name: group for group in layer_groups(model)}
    for name, value in model.state_dict().items():
        frozen = not (groups["block 3"].owns(name) or groups["head"].owns(name))
        if frozen:
            assert torch.equal(value, before[name]), name
    assert not torch.equal(model.state_dict()["classifier.1.weight"], before["classifier.1.weight"])


def test_lp_ft_moves_the_backbone_in_its_second_phase_only(run, every_step):
    before = build(PROBLEM, RESNET, ("a", "b", "c"), seed=0).state_dict()
    name = "resnet.encoder.stages.0.layers.0.layer.0.convolution.weight"
    _, _, first = run("lp-ft", "first", stop_at=STEPS // 2)
    _, _, both = run("lp-ft", "both")
    assert torch.equal(first.state_dict()[name], before[name])
    assert not torch.equal(both.state_dict()[name], before[name])


def test_stopping_early_on_purpose_keeps_the_schedule(run):
    whole, _, _ = run(folder="whole")
    part, trained, _ = run(folder="part", stop_at=5)
    assert trained.steps == 5
    assert part != whole


def test_another_freeze_mask_is_refused_on_resume(run, every_step):
    with pytest.raises(Killed):
        run("top-1", kill=4)
    with pytest.raises(CheckpointError, match="other trained parameters"):
        run("top-2")


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_serves(run, every_step, tmp_path, caplog):
    unbroken, _, _ = run(folder="unbroken")
    with pytest.raises(Killed):
        run(kill=6)
    newest = max((tmp_path / "state").glob("step-*"))
    weights = newest / "state.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    resumed, _, _ = run()
    assert resumed == unbroken
    assert newest.name in caplog.text


def test_a_request_to_stop_saves_and_leaves(run, monkeypatch):
    unbroken, _, _ = run(folder="unbroken")
    with monkeypatch.context() as patch:
        patch.setattr(interruption, "_requested", True)
        with pytest.raises(Interrupted, match="step 1 of 12"):
            run()
    resumed, _, _ = run()
    assert resumed == unbroken


def test_only_two_checkpoints_are_kept(run, every_step, tmp_path):
    run()
    assert len(list((tmp_path / "state").iterdir())) == 2
