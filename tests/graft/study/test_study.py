from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from graft.backbones import build, layer_groups, renew_head
from graft.catalog import Data, Study
from graft.errors import CatalogError
from graft.problems import PROBLEMS
from graft.study import Bench, count_steps, plan, proposal, search, train_finals
from graft.study.candidates import make_candidates
from graft.study.folds import choose_selection, split
from graft.study.probe import choose_probe
from graft.study.proposal import propose_block
from graft.study.selection import select
from graft.study.trial import Outcome
from graft.training.batches import rows_of_step
from tests.conftest import RESNET

PROBLEM = PROBLEMS["image-classification"]
LABELS = ("a", "b", "c")
STUDY = Study(strategies=("linear-probe", "full"), seeds=2, budget_steps=4, folds=3, halving=1)
DATA = Data(path="data")


def replace_study(**changes):
    return STUDY.model_copy(update=changes)


def table(per_class, groups=None):
    labels = np.repeat(np.arange(len(per_class)), per_class)
    columns = {"label": pa.array(labels, pa.int64())}
    if groups is not None:
        columns["group"] = pa.array([str(group) for group in groups])
    return pa.table(columns)


@pytest.fixture
def bench(images, image_processor, tmp_path):
    source = build(PROBLEM, RESNET, ("x", "y"), seed=0)
    return Bench(PROBLEM, image_processor, source, LABELS, images, STUDY, tmp_path)


def run(bench):
    rows = pa.table({"label": pa.array(bench.examples.labels, pa.int64())})
    candidates, notes, selection = plan(bench, rows, DATA)
    steps = []
    result = search(bench, rows, candidates, notes, selection, lambda step, message: steps.append(step))
    finals = {(role, seed): model for role, seed, model in train_finals(bench, result, lambda s, m: steps.append(s))}
    return result, finals, steps, count_steps(bench, candidates, selection)


def test_a_study_trains_winner_control_and_untouched_source_with_every_seed(bench):
    result, finals, steps, total = run(bench)
    assert result.winner.candidate.strategy == "full"
    assert set(finals) == {(role, seed) for role in ("winner", "control", "source") for seed in (0, 1)}
    assert len(result.outcomes) == 2 * 2 * 3 + 2 + 6  # candidates by seed and fold, the control of a rung; the finals
    assert steps[-1] == total
    assert sorted(steps) == steps


@pytest.mark.parametrize("tried", [("linear-probe", "full"), ("full",)])
def test_the_untouched_source_keeps_every_weight_below_its_head(bench, tried):
    _, finals, _, _ = run(replace(bench, study=STUDY.model_copy(update={"strategies": tried})))
    before = bench.source.state_dict()
    for seed in (0, 1):
        model = finals["source", seed]
        head = layer_groups(model)[-1]
        after = {name: value for name, value in model.state_dict().items() if not head.owns(name)}
        assert all(torch.equal(value, before[name]) for name, value in after.items())
        assert not torch.equal(model.classifier[1].weight, finals["winner", seed].classifier[1].weight)


def test_a_linear_probe_that_wins_is_not_trained_twice(bench):
    study = STUDY.model_copy(update={"strategies": ("linear-probe",), "learning_rates": (1e-3, 1e-2)})
    result, finals, steps, total = run(replace(bench, study=study))
    assert result.probe_is_winner
    assert {role for role, _ in finals} == {"winner", "control"}
    assert steps[-1] == total


def test_the_untouched_source_has_the_best_learning_rate_that_was_tried_or_else_the_first(bench):
    model = build(PROBLEM, RESNET, LABELS, seed=0)
    study = STUDY.model_copy(update={"learning_rates": (1e-3, 1e-2)})
    probe = make_candidates(study, model)[0][:2]
    full = make_candidates(study, model)[0][2:4]
    standings = select({full[0]: outcomes(0.9, 0.91), probe[0]: outcomes(0.4, 0.5), probe[1]: outcomes(0.6, 0.7)}, True)
    candidate, steps = choose_probe(replace(bench, study=study), standings)
    assert (candidate.role, candidate.strategy, candidate.learning_rate, steps) == ("source", "linear-probe", 1e-2, 10)
    candidate, steps = choose_probe(replace(bench, study=study), standings[:1])
    assert (candidate.strategy, candidate.learning_rate, steps) == ("linear-probe", 1e-3, 4)


def test_candidates_far_behind_get_no_more_trials_and_the_steps_still_add_up(bench):
    study = STUDY.model_copy(update={"strategies": ("linear-probe", "top-1", "full"), "halving": 3, "budget_steps": 8})
    result, finals, steps, total = run(replace(bench, study=study))
    dropped = [standing for standing in result.standings if standing.dropped]
    assert dropped
    assert all(standing.reason.startswith(f"dropped after {standing.trials} trials") for standing in dropped)
    assert {standing.trials for standing in dropped} <= {2, 4}  # in the middle of a seed of three folds
    assert result.winner not in dropped
    assert result.winner.trials == 6
    assert result.control[0].trials == 2  # with one learning rate there is nothing to choose after the first rung
    assert (steps[-1], sorted(steps)) == (total, steps)
    assert {role for role, _ in finals} >= {"winner", "control"}


def test_a_study_cut_off_between_trials_ends_the_same(bench, tmp_path):
    def weights(finals):
        return {key: model.state_dict() for key, model in finals.items()}

    _, whole, _, _ = run(replace(bench, folder=tmp_path / "whole"))
    rows = pa.table({"label": pa.array(bench.examples.labels, pa.int64())})
    candidates, notes, selection = plan(bench, rows, DATA)
    search(bench, rows, candidates[:1] + candidates[-1:], notes, selection, lambda step, message: None)
    _, resumed, _, _ = run(bench)
    for key, state in weights(whole).items():
        assert all(torch.equal(value, weights(resumed)[key][name]) for name, value in state.items())


def test_a_finished_trial_is_read_not_repeated(bench):
    first, _, _, _ = run(bench)
    again, _, _, _ = run(bench)
    trials = [outcome for outcome in first.outcomes if outcome.fold is not None]
    assert trials == [outcome for outcome in again.outcomes if outcome.fold is not None]


def test_every_labelled_row_is_held_out_once_per_seed(bench):
    result, _, _, _ = run(bench)
    held = [one for one in result.outcomes if one.strategy == "full" and one.seed == 1 and one.fold is not None]
    assert sorted(label for one in held for label in one.validation_labels) == sorted(bench.examples.labels.tolist())


def test_strategies_that_come_to_the_same_are_tried_once():
    model = build(PROBLEM, RESNET, LABELS, seed=0)
    candidates, notes = make_candidates(Study(strategies=("top-2", "top-half")), model)
    assert [candidate.strategy for candidate in candidates] == ["top-2", "scratch"]
    assert notes == ["top-half trains the same layers as top-2 on this network and was not tried twice"]


def test_what_cannot_be_tried_on_a_network_is_left_out_and_said():
    model = build(PROBLEM, RESNET, LABELS, seed=0)
    candidates, notes = make_candidates(Study(strategies=("lora", "gradual", "full"), budget_steps=4), model)
    assert [candidate.strategy for candidate in candidates] == ["full", "scratch"]
    assert notes == [
        "lora needs linear layers, and the blocks of this network have none",
        "gradual has 5 phases on this network, more than the budget of 4 steps",
    ]
    with pytest.raises(CatalogError, match="no strategy of this study can be tried"):
        make_candidates(Study(strategies=("lora",)), model)


def test_users_name_layers_and_what_names_none_is_left_out_and_said():
    model = build(PROBLEM, RESNET, LABELS, seed=0)
    named = ("last 34 %", "layers:block 2", "layers:*.stages.0.* + block 3", "layers:resnet.embedder.*")
    wrong = ("top-9", "layers:*.stages.7.*", "layers:*", "layers:block 4")
    candidates, notes = make_candidates(Study(strategies=(*named, *wrong)), model)
    assert [(one.strategy, one.trained_groups) for one in candidates[:-1]] == [
        ("last 34 %", ("block 3", "head")),
        ("layers:block 2", ("block 2", "head")),
        ("layers:*.stages.0.* + block 3", ("block 1", "block 3", "head")),
        ("layers:resnet.embedder.*", ("stem", "head")),
    ]
    assert notes == [
        "top-9 was left out: 9 blocks are asked for; this backbone has 3",
        "layers:*.stages.7.* was left out: '*.stages.7.*': matches no group and no module path, such as "
        "'resnet.encoder.stages.1'",
        "layers:* was left out: '*': matches every group; write 'all' if that is meant",
        "layers:block 4 was left out: 'block 4': no group of that name; this backbone has 3",
    ]
    with pytest.raises(CatalogError, match="9 blocks are asked for"):
        make_candidates(Study(strategies=("top-9",)), model)


def test_a_block_below_frozen_ones_trains_and_those_stay_to_the_bit(bench):
    study = replace_study(strategies=("layers:block 2",), seeds=2)
    _, finals, _, _ = run(replace(bench, study=study))
    model, before = finals["winner", 0], bench.source.state_dict()
    moved = {
        group.name
        for group in layer_groups(model)
        for name, value in model.state_dict().items()
        if group.owns(name) and not (name in before and torch.equal(value, before[name]))
    }
    assert moved == {"block 2", "head"}


def test_what_a_candidate_costs_is_what_it_trains():
    model = build(PROBLEM, RESNET, LABELS, seed=0)
    study = Study(strategies=("linear-probe", "bitfit", "norm-only", "top-1", "full"))
    trained = {one.strategy: one.trained_parameters for one in make_candidates(study, model)[0]}
    assert trained["linear-probe"] == 8 * 3 + 3
    assert trained["linear-probe"] < trained["bitfit"] < trained["norm-only"] < trained["top-1"] < trained["full"]
    assert trained["full"] == trained["scratch"] == sum(value.numel() for value in model.parameters())


def test_the_block_that_is_proposed_is_where_gradients_are_large_against_weights(bench, monkeypatch):
    monkeypatch.setattr(proposal, "PASSES", 1)
    study = replace(bench, study=replace_study(strategies=("surgical",)))
    candidates, notes, _ = plan(study, pa.table({"label": pa.array(bench.examples.labels, pa.int64())}), DATA)
    name, norms = propose_block(study, bench.examples)
    assert set(norms) == {"block 1", "block 2", "block 3"}
    assert candidates[0].trained_groups == (name, "head")
    assert notes[0].startswith(f"{name} has the largest gradients")
    assert name == max(norms, key=norms.get)
    model = renew_head(bench.source, PROBLEM, LABELS, 0).eval()
    rows = rows_of_step(0, len(bench.examples), study.study.batch_size, 0)
    batch = PROBLEM.collate(bench.examples, rows, bench.processor, torch.Generator(), training=False)
    loss = torch.nn.functional.cross_entropy(model(pixel_values=batch["pixel_values"]).logits, batch["labels"])
    weights = list(model.get_submodule("resnet.encoder.stages.1").parameters())
    gradients = torch.autograd.grad(loss, weights)
    ratios = [g.norm() / w.detach().norm() for g, w in zip(gradients, weights, strict=True) if w.detach().norm() > 0]
    assert norms["block 2"] == pytest.approx(float(sum(ratios) / len(ratios)), rel=1e-5)


def test_the_control_gets_every_learning_rate_that_the_candidates_get():
    model = build(PROBLEM, RESNET, LABELS, seed=0)
    candidates, _ = make_candidates(Study(strategies=("full",), learning_rates=(1e-3, 1e-2)), model)
    assert [(one.role, one.learning_rate) for one in candidates] == [
        ("candidate", 1e-3),
        ("candidate", 1e-2),
        ("control", 1e-3),
        ("control", 1e-2),
    ]


def test_few_labels_are_compared_by_folds_and_many_by_one_part():
    assert str(choose_selection(table([5, 5]), DATA, Study())) == "5-fold"
    assert str(choose_selection(table([3, 9]), DATA, Study())) == "3-fold"
    assert str(choose_selection(table([50, 60]), DATA, Study())) == "validation part of 1/10"


def test_groups_stay_together_where_every_class_has_several():
    rows = table([6, 6], groups=[0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5])
    selection = choose_selection(rows, Data(path="data", group="g"), Study())
    assert str(selection) == "3-fold, groups kept together"
    groups = np.array(rows["group"].to_pylist())
    for fold in split(rows, selection, seed=0):
        assert not set(groups[fold.train]) & set(groups[fold.validation])


@pytest.mark.parametrize("seed", range(3))
def test_folds_share_no_row_and_hold_every_class(seed):
    rows = table([5, 5, 5])
    labels = np.asarray(rows["label"])
    for fold in split(rows, choose_selection(rows, DATA, Study()), seed):
        assert not set(fold.train) & set(fold.validation)
        assert set(labels[fold.train]) == set(labels[fold.validation]) == {0, 1, 2}


@pytest.mark.parametrize("groups", [None, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]])
def test_where_some_rows_only_may_be_compared_on_the_others_are_trained_on_in_every_fold(groups):
    rows, unseen = table([6, 6], groups), (0, 1, 2, 3, 8, 9, 10, 11)
    selection = choose_selection(rows, DATA, Study(), unseen)
    assert "of the 8 rows that the champion has not met" in str(selection)
    folds = [*split(rows, selection, seed=0)]
    assert sorted(row for fold in folds for row in fold.validation) == [*unseen]
    assert all(sorted([*fold.train, *fold.validation]) == [*range(12)] for fold in folds)
    assert len(folds) == (4 if groups is None else 2)


def outcomes(*metrics):
    return [
        Outcome("candidate", "", 0, seed, 0, 10, value, 0, 0, 0, 0, [], [], []) for seed, value in enumerate(metrics)
    ]


def candidates():
    model = build(PROBLEM, RESNET, LABELS, seed=0)
    probe, full, *_ = make_candidates(STUDY, model)[0]
    return probe, full


def test_within_one_standard_error_the_cheaper_one_wins():
    probe, full = candidates()
    standings = select({full: outcomes(0.9, 0.7), probe: outcomes(0.75, 0.75)}, higher_is_better=True)
    assert [standing.candidate for standing in standings] == [probe, full]
    assert standings[0].reason == "cheapest within one standard error: 0.050 ± 0.100 behind full"
    assert standings[1].reason == "best mean, but linear-probe trains fewer weights and is within one standard error"


def test_what_is_behind_by_more_than_the_margin_is_not_given_away_for_fewer_weights():
    probe, full = candidates()
    rows = {full: outcomes(0.9, 0.7), probe: outcomes(0.75, 0.75)}
    assert select(rows, True, margin=0.05)[0].candidate is probe
    standings = select(rows, True, margin=0.04)
    assert standings[0].candidate is full
    assert "within one standard error, but by more than the margin of 0.04" in standings[1].reason
    assert [one.within for one in standings] == [True, False]


def test_of_two_that_train_as_many_weights_the_better_one_is_chosen_and_that_is_said():
    probe, _ = candidates()
    faster = replace(probe, learning_rate=0.1)
    standings = select({probe: outcomes(0.9, 0.7), faster: outcomes(0.75, 0.75)}, higher_is_better=True)
    assert standings[0].candidate is probe
    assert standings[1].reason.endswith("within one standard error, but trains as many weights as linear-probe")


def test_beyond_one_standard_error_the_better_one_wins():
    probe, full = candidates()
    standings = select({full: outcomes(0.91, 0.89), probe: outcomes(0.75, 0.75)}, higher_is_better=True)
    assert standings[0].candidate is full
    assert standings[1].reason == "0.150 ± 0.010 behind full, more than one standard error"


def test_rows_that_are_hard_for_all_do_not_blur_the_difference():
    probe, full = candidates()
    standings = select({full: outcomes(0.9, 0.5, 0.7), probe: outcomes(0.85, 0.46, 0.65)}, higher_is_better=True)
    assert standings[0].candidate is full
    assert standings[0].standard_error > 0.1


def test_one_trial_that_tells_two_apart_is_no_reason_to_train_more():
    probe, full = candidates()
    standings = select({full: outcomes(1.0, 1.0, 1.0), probe: outcomes(1.0, 0.75, 1.0)}, higher_is_better=True)
    assert standings[0].candidate is probe


def test_a_loss_is_better_when_lower():
    probe, full = candidates()
    standings = select({full: outcomes(0.2, 0.21), probe: outcomes(0.5, 0.52)}, higher_is_better=False)
    assert standings[0].candidate is full
