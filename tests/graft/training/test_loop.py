import hashlib
import multiprocessing
import os
import signal
from dataclasses import replace
from itertools import accumulate

import pytest
import torch

from graft import interruption
from graft.backbones import build, layer_groups
from graft.backbones.all_boundaries import widen
from graft.catalog import Study
from graft.errors import CheckpointError, Interrupted
from graft.problems import PROBLEMS
from graft.problems.examples import Examples
from graft.settings import settings
from graft.strategies import STRATEGIES, resolve
from graft.strategies.head2toe import KEPT
from graft.training import Job, score, train
from tests.conftest import BERT, RESNET

PROBLEM = PROBLEMS["image-classification"]
STEPS = 12


# children that are forked from a fresh server with torch in memory: each may be killed, and starts in an instant
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["torch", "graft.training", "graft.problems", "graft.backbones", "tests.conftest"])


def kill_after(step, job, model):
    """Train in another process, and end that by `kill -9` after a step."""
    child = PROCESSES.Process(target=_train_until, args=(step, job, model))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL


def _train_until(last, job, model):
    train(job, model, lambda step, message: os.kill(os.getpid(), signal.SIGKILL) if step == last else None)


@pytest.fixture
def networks(images, image_processor, sentences, tokenizer):
    """What can be trained: a ResNet on images, and a BERT on sentences for what needs linear layers."""
    text = PROBLEMS["text-classification"]
    return {
        "resnet": (PROBLEM, RESNET, ("a", "b", "c"), images, image_processor),
        "bert": (text, BERT | {"vocab_size": len(tokenizer)}, ("a", "b"), text.encode(sentences, tokenizer), tokenizer),
    }


@pytest.fixture
def run(networks, tmp_path):
    """Return a function that trains a fresh network and gives its weights' digest.

    With `kill` another process does, and is killed after that step.
    """

    def go(strategy="full", folder="state", kill=None, network="resnet", **changes):
        problem, _, _, rows, processor = networks[network]
        legs = changes.get("legs", legs_of(strategy))
        model = begin(networks[network], legs)
        job = {
            "problem": problem,
            "processor": processor,
            "train": rows,
            "validation": rows,
            "legs": legs,
            "learning_rate": 1e-2,
            "recipe": Study(),
            "seed": 0,
            "measure_every": 4,
            "patience": None,
            "folder": tmp_path / folder,
            "blend": STRATEGIES[strategy].blend,
        }
        if kill is not None:
            return kill_after(kill, Job(**(job | changes)), model)
        trained = train(Job(**(job | changes)), model, lambda step, message: None)
        return weights_digest(model), trained, model

    return go


def begin(network, legs):
    """Return a fresh network as the legs need it."""
    problem, config, labels, rows, processor = network
    model = build(problem, config, labels, seed=0)
    if legs[0].reads == "last":
        return model
    batch = problem.collate(rows, [0, 1], processor, torch.Generator(), training=False)
    return widen(model, problem, labels, 0, {name: value for name, value in batch.items() if name != "labels"})


def legs_of(strategy):
    groups = ["stem", "block 1", "block 2", "block 3", "head"]
    return resolve(STRATEGIES[strategy], groups, STEPS, proposed="block 2")


@pytest.fixture
def every_step(monkeypatch):
    """Save the state after every step."""
    monkeypatch.setenv("GRAFT_CHECKPOINT_SECONDS", "0")
    settings.cache_clear()


def weights_digest(model):
    return hashlib.sha256(b"".join(value.numpy().tobytes() for value in model.state_dict().values())).hexdigest()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_run_killed_in_every_phase_and_between_phases_ends_in_the_same_bits(run, every_step, strategy):
    network = "bert" if strategy == "lora" else "resnet"
    unbroken, whole, _ = run(strategy, "unbroken", network=network)
    ends = list(accumulate(leg.steps for leg in legs_of(strategy)))
    middles = [end - leg.steps // 2 for leg, end in zip(legs_of(strategy), ends, strict=True)]
    for step in sorted({1, *middles, *ends}):
        run(strategy, "broken", kill=step, network=network)
    resumed, again, _ = run(strategy, "broken", network=network)
    assert (resumed, again.curve) == (unbroken, whole.curve)


@pytest.mark.parametrize("strategy", ["full", "lp-ft", "wise-ft", "lora", "head2toe"])
def test_a_run_that_is_ended_and_continued_is_the_run_that_never_ended(run, strategy):
    network = "bert" if strategy == "lora" else "resnet"
    whole, _, _ = run(strategy, "whole", network=network)
    for end in (3, 6, 7):
        _, trained, _ = run(strategy, "parts", network=network, stop_at=end, resumable=True)
        assert trained.steps == end
    continued, _, _ = run(strategy, "parts", network=network, resumable=True)
    assert continued == whole


def test_early_stopping_survives_a_kill(run, every_step, images):
    wrong = Examples(images.features, (images.labels + 1) % 3)  # the better it learns, the worse it does on these
    changes = {"patience": 2, "measure_every": 2, "validation": wrong, "learning_rate": 3e-2}
    unbroken, whole, _ = run(folder="unbroken", **changes)
    assert whole.steps < whole.curve[-1]["step"] < STEPS
    run(folder="broken", kill=5, **changes)
    resumed, again, _ = run(folder="broken", **changes)
    assert (resumed, again.curve) == (unbroken, whole.curve)


def test_a_run_learns(run, images, image_processor):
    _, _, model = run(legs=resolve(STRATEGIES["full"], ["stem", "block 1", "block 2", "block 3", "head"], 60))
    assert score(model, PROBLEM, images, image_processor)["accuracy"] > 0.9


@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name != "lora"])  # its groups hold no norms
def test_frozen_weights_and_statistics_stay_to_the_bit_in_every_phase(run, networks, strategy):
    before, seen = begin(networks["resnet"], legs_of(strategy)).state_dict(), set()
    legs, whole = legs_of(strategy), sum(leg.steps for leg in legs_of(strategy))
    for leg, end in zip(legs, accumulate(leg.steps for leg in legs), strict=True):
        seen |= set(leg.groups)
        _, _, model = run(strategy, f"to-{end}", stop_at=end if end < whole else None)
        trained = [group for group in layer_groups(model) if group.name in seen]
        moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
        assert all(any(group.owns(name) for group in trained) for name in moved)
        assert any("classifier" in name or "head" in name for name in moved)
        assert any("running_mean" in name for name in moved) == any("block" in group for group in seen)


def test_lp_ft_moves_the_backbone_in_its_second_phase_only(run, every_step):
    before = build(PROBLEM, RESNET, ("a", "b", "c"), seed=0).state_dict()
    name = "resnet.encoder.stages.0.layers.0.layer.0.convolution.weight"
    _, _, first = run("lp-ft", "first", stop_at=STEPS // 2)
    _, _, both = run("lp-ft", "both")
    assert torch.equal(first.state_dict()[name], before[name])
    assert not torch.equal(both.state_dict()[name], before[name])


def changed(model):
    """Return the names of the parameters that training moved."""
    before = build(PROBLEM, RESNET, ("a", "b", "c"), seed=0).state_dict()
    return {name for name, _ in model.named_parameters() if not torch.equal(model.state_dict()[name], before[name])}


def test_only_biases_or_only_normalisations_move_below_the_head(run):
    head = {"classifier.1.weight", "classifier.1.bias"}
    _, _, biased = run("bitfit", "bitfit")
    assert {name.rsplit(".", 1)[1] for name in changed(biased) - head} == {"bias"}
    _, _, normed = run("norm-only", "norm-only")
    assert {name.rsplit(".", 2)[1] for name in changed(normed) - head} == {"normalization"}
    assert head < changed(biased) & changed(normed)


def test_one_block_alone_moves(run):
    _, _, model = run("surgical")
    assert {name.split(".")[3] for name in changed(model) if name.startswith("resnet")} == {"1"}


def test_an_anchor_holds_the_weights_near_where_they_began(run):
    before = build(PROBLEM, RESNET, ("a", "b", "c"), seed=0).state_dict()

    def distance(model):
        moved = model.state_dict()
        return sum(float((moved[name] - before[name]).norm()) for name in changed(model) if "resnet" in name)

    free, held = (run(folder=f"{pull}", legs=(replace(legs_of("full")[0], anchor=pull),))[2] for pull in (0.0, 10.0))
    assert distance(held) < 0.8 * distance(free)


def test_interpolated_weights_lie_half_way_between_the_phases(run):
    _, _, probed = run("wise-ft", "probed", stop_at=STEPS // 2)
    _, _, tuned = run("wise-ft", "tuned", blend=None)
    _, _, mean = run("wise-ft", "mean")
    for name, value in mean.named_parameters():
        ends = probed.state_dict()[name], tuned.state_dict()[name]
        assert torch.allclose(value, sum(ends) / 2, atol=1e-6), name


def test_adapters_are_merged_into_plain_weights_and_move_the_blocks_alone(run, networks):
    problem, config, labels, *_ = networks["bert"]
    before = build(problem, config, labels, seed=0).state_dict()
    _, _, model = run("lora", network="bert")
    after = model.state_dict()
    assert set(after) == set(before)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert "bert.encoder.layer.0.attention.self.query.weight" in moved
    assert not {name for name in moved if "embeddings" in name or "LayerNorm" in name}


def test_a_head_over_all_boundaries_goes_on_with_the_features_of_the_largest_weights(run):
    _, _, first = run("head2toe", "first", stop_at=legs_of("head2toe")[0].steps)
    _, _, both = run("head2toe", "both")
    norms = first.head.linear.weight.norm(dim=0)
    assert first.head.selected.sum() == len(norms) == 22
    kept = both.head.selected.bool()
    assert kept.sum() == round(KEPT * 22)
    assert norms[kept].min() > norms[~kept].max()
    assert not both.head.linear.weight[:, ~kept].any()
    assert both.head.linear.weight[:, kept].all()


def test_a_group_lasso_leaves_fewer_features_with_weights_that_count(run):
    def weights(lasso):
        model = run("head2toe", f"{lasso}", legs=(replace(legs_of("all-boundaries")[0], lasso=lasso),))[2]
        return model.head.linear.weight.norm(dim=0)

    assert weights(1.0).sum() < 0.8 * weights(0.0).sum()


def test_stopping_early_on_purpose_keeps_the_schedule(run):
    whole, _, _ = run(folder="whole")
    part, trained, _ = run(folder="part", stop_at=5)
    assert trained.steps == 5
    assert part != whole


def test_another_freeze_mask_is_refused_on_resume(run, every_step):
    run("top-1", kill=4)
    with pytest.raises(CheckpointError, match="other trained parameters"):
        run("top-2")


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_serves(run, every_step, tmp_path, caplog):
    unbroken, _, _ = run(folder="unbroken")
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
