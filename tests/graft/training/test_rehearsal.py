from dataclasses import replace

import numpy as np
import pytest
import torch

from graft.backbones import build, layer_groups, renew_head, share_layers, transplant
from graft.catalog import Study
from graft.problems import PROBLEMS
from graft.problems.examples import Examples
from graft.settings import settings
from graft.strategies import STRATEGIES, resolve
from graft.training import Activations, Feed, Job, Rehearsal, record, score, train
from graft.training.batches import group_by_length
from graft.training.rehearsal import Rehearsing
from tests.conftest import BERT, RESNET
from tests.graft.training.test_loop import kill_after, weights_digest
from tests.networks import NETWORKS

IMAGES, TEXTS, MASKED = (
    PROBLEMS[name] for name in ("image-classification", "text-classification", "masked-language-modelling")
)
GROUPS = ["stem", "block 1", "block 2", "block 3", "head"]
STEPS = 8


@pytest.fixture
def cases(images, image_processor, sentences, tokenizer):
    """A target's job and its source: images of two labels, and sentences for a masked language model."""
    negative = Examples(255 - np.stack(images.features), (images.labels + 1) % 2)
    config = BERT | {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    tokens = group_by_length(TEXTS.encode(sentences, tokenizer), 16)
    resnet, bert = build(IMAGES, RESNET, ("x", "y"), seed=0), build(MASKED, config, (), seed=0)
    hidden = MASKED.encode(sentences, tokenizer)
    return {
        "resnet": (
            renew_head(resnet, IMAGES, ("a", "b", "c"), 0),
            (IMAGES, image_processor, images),
            Rehearsal(IMAGES, image_processor, resnet, negative, 0.4),
        ),
        "bert": (
            _under(bert, build(TEXTS, config, ("a", "b"), seed=0)),
            (TEXTS, tokenizer, tokens),
            Rehearsal(MASKED, tokenizer, bert, hidden, 0.4),
        ),
    }


def _under(source, model):
    transplant(source, model)
    return model


@pytest.fixture
def run(cases, tmp_path):
    """Return a function that trains beside a source and gives the model; `kill` ends it after that step."""

    def go(strategy="full", folder="state", network="resnet", kill=None, share=0.4, **changes):
        fresh, (problem, processor, rows), rehearsal = cases[network]
        model = renew_head(fresh, problem, ("a", "b", "c") if network == "resnet" else ("a", "b"), 1)
        job = Job(
            problem=problem,
            processor=processor,
            train=rows,
            validation=None,
            legs=resolve(STRATEGIES[strategy], GROUPS, STEPS),
            learning_rate=1e-2,
            recipe=Study(),
            seed=0,
            measure_every=4,
            patience=None,
            folder=tmp_path / folder,
            blend=STRATEGIES[strategy].blend,
            rehearsal=replace(rehearsal, share=share) if share else None,
        )
        if kill is not None:
            return kill_after(kill, replace(job, **changes), model)
        train(replace(job, **changes), model, lambda step, message: None)
        return model

    return go


@pytest.mark.parametrize(("strategy", "network"), [("full", "resnet"), ("wise-ft", "resnet"), ("lora", "bert")])
def test_a_rehearsing_run_that_is_killed_ends_in_the_same_bits(run, strategy, network, monkeypatch):
    whole = run(strategy, "whole", network)
    monkeypatch.setenv("GRAFT_CHECKPOINT_SECONDS", "0")
    settings.cache_clear()
    for step in (1, STEPS // 2, STEPS // 2 + 1):
        run(strategy, "broken", network, kill=step)
    assert weights_digest(run(strategy, "broken", network)) == weights_digest(whole)
    assert weights_digest(run(strategy, "plain", network, share=0)) != weights_digest(whole)


@pytest.mark.parametrize("network", ["resnet", "bert"])
def test_who_rehearses_does_better_on_the_source(run, cases, network):
    rehearsal = cases[network][2]

    def loss(model):
        transplant(model, source := build_like(rehearsal.model, rehearsal.problem))
        return score(source, rehearsal.problem, rehearsal.rows, rehearsal.processor)["loss"]

    legs = resolve(STRATEGIES["full"], GROUPS, 40)
    plain, held = (loss(run(folder=f"{share}", network=network, share=share, legs=legs)) for share in (0, 0.5))
    assert held < plain


def build_like(model, problem):
    made = build(problem, model.config.to_dict(), ("x", "y") if problem is IMAGES else (), seed=0)
    made.load_state_dict(model.state_dict())
    return made


def test_where_only_the_head_trains_nothing_is_rehearsed(run):
    assert weights_digest(run("linear-probe", "with")) == weights_digest(run("linear-probe", "without", share=0))


def test_the_sources_network_itself_never_changes(run, cases):
    before = weights_digest(cases["bert"][2].model)
    run("full", network="bert")
    assert weights_digest(cases["bert"][2].model) == before


@pytest.mark.parametrize("network", ["resnet", "bert"])
def test_rehearsal_over_a_played_back_prefix_is_rehearsal_without_it_to_the_bit(run, cases, network):
    model, (problem, processor, rows), _ = cases[network]
    prefix = record(model, Feed.of(problem, rows, processor), [3, 4], Activations(10**9))
    assert prefix.boundaries == (3, 4)
    for strategy in ("top-1", "lp-ft"):
        cached, plain = run(strategy, f"{strategy} cached", network, prefix=prefix), run(strategy, strategy, network)
        assert weights_digest(cached) == weights_digest(plain)


def test_rehearsal_leaves_batch_statistics_and_modes_to_the_target(cases):
    model, _, rehearsal = cases["resnet"]
    model.train()
    statistics = {name: value.clone() for name, value in model.named_buffers()}
    rehearsing = Rehearsing(rehearsal, model, batch_size=6, seed=0)
    (loss,) = rehearsing.losses(0, torch.no_grad)
    assert loss > 0
    assert all(torch.equal(value, statistics[name]) for name, value in model.named_buffers())
    assert all(module.training for module in model.modules())


def test_rehearsed_rows_have_the_weight_of_target_rows(cases):
    model, (problem, _, _), rehearsal = cases["resnet"]
    met = []

    class Listening(type(problem)):
        def weigh(self, labels):
            return len(labels)

        def loss(self, logits, labels, smoothing):
            met.append(len(labels))
            return super().loss(logits, labels, smoothing)

    for share in (0.1, 0.25, 0.5):
        rows = replace(rehearsal, problem=Listening(), share=share, rows=rehearsal.rows)
        next(Rehearsing(rows, model, batch_size=12, seed=0).losses(0, torch.no_grad))
    assert met == [1, 4, 11]  # of 12 rows of the target; 33 rows of the source are three batches of eleven


@pytest.mark.parametrize("name", ["bert", "gpt2", "vit", "resnet", "convnext", "vgg"])
def test_below_its_head_the_source_runs_the_trained_layers_themselves_as_it_would_run_copies(name):
    made, other = NETWORKS[name].build(), NETWORKS[name].build()
    head = layer_groups(other)[-1]
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(0.01)
    copies = NETWORKS[name].build()
    transplant(other, copies)
    share_layers(other, made)
    inputs = {key: value for key, value in NETWORKS[name].batch(range(4)).items() if key != "labels"}
    with torch.no_grad():
        assert torch.equal(made.eval()(**inputs).logits, copies.eval()(**inputs).logits)
    kept = NETWORKS[name].build().state_dict()
    for key, value in copies.state_dict().items():
        if value.is_floating_point() and key in dict(other.named_parameters()):
            assert torch.equal(value, (kept if head.owns(key) else other.state_dict())[key]), key
