import dataclasses

import numpy as np
import pyarrow as pa
import pytest
import torch

from graft.backbones import build
from graft.catalog import Data, Study
from graft.problems import PROBLEMS
from graft.settings import settings
from graft.study import Bench, plan, search, train_finals
from graft.study.caching import with_prefix
from graft.study.folds import split
from graft.study.trial import run_trial
from graft.training.batches import group_by_length
from graft.training.flops import count_flops
from tests.conftest import BERT, RESNET

STRATEGIES = ("linear-probe", "top-1", "lp-ft", "surgical", "head2toe")
STUDY = Study(strategies=STRATEGIES, seeds=2, budget_steps=4, folds=2, batch_size=6)

MEASURED = (("lp-ft", True), ("surgical", False), ("head2toe", True), ("head2toe", False), ("scratch", True))


@pytest.fixture(params=["resnet", "bert"])
def bench(request, tmp_path, monkeypatch):
    monkeypatch.setenv("GRAFT_WORK", str(tmp_path / "work"))
    settings.cache_clear()
    if request.param == "resnet":
        images, processor = request.getfixturevalue("images"), request.getfixturevalue("image_processor")
        problem = PROBLEMS["image-classification"]
        source = build(problem, RESNET, ("x", "y"), seed=0)
        return Bench(problem, processor, source, ("a", "b", "c"), images, STUDY, tmp_path / "trials")
    tokenizer, problem = request.getfixturevalue("tokenizer"), PROBLEMS["text-classification"]
    rows = group_by_length(problem.encode(request.getfixturevalue("sentences"), tokenizer), STUDY.batch_size)
    source = build(problem, BERT | {"vocab_size": len(tokenizer)}, ("x", "y"), seed=0)
    return Bench(problem, tokenizer, source, ("a", "b"), rows, STUDY, tmp_path / "trials")


def run(bench, cached):
    rows = pa.table({"label": pa.array(bench.examples.labels, pa.int64())})
    candidates, notes, selection = plan(bench, rows, Data(path="data"))
    bench = dataclasses.replace(bench, folder=bench.folder / str(cached))
    if cached:
        bench = with_prefix(bench, candidates, "target")
    result = search(bench, rows, candidates, notes, selection, ignore)
    finals = {f"{role} {seed}": model.state_dict() for role, seed, model in train_finals(bench, result, ignore)}
    return bench, result, finals


def ignore(step, message):
    pass


def _facts(outcome):
    return dataclasses.replace(outcome, seconds=0.0, peak_memory_bytes=0, flops=None)


def test_a_study_from_the_cache_is_the_study_without_it_to_the_bit(bench):
    cached_bench, cached, cached_finals = run(bench, True)
    _, plain, plain_finals = run(bench, False)
    assert cached_bench.prefix is not None
    assert set(cached_bench.prefix.boundaries) >= {3, 4}
    assert cached_bench.wide_prefix.boundaries == (4,)
    assert [_facts(outcome) for outcome in cached.outcomes] == [_facts(outcome) for outcome in plain.outcomes]
    assert [standing.candidate for standing in cached.standings] == [standing.candidate for standing in plain.standings]
    for ours, theirs in zip(cached.outcomes, plain.outcomes, strict=True):  # what is played back is not run
        assert (ours.flops < theirs.flops) if ours.strategy != "scratch" else (ours.flops == theirs.flops)
    for place, weights in plain_finals.items():
        assert all(torch.equal(value, cached_finals[place][name]) for name, value in weights.items()), place


@pytest.mark.parametrize(
    ("bench", "strategy", "cached"),
    [
        *((network, *case) for network in ("resnet", "bert") for case in MEASURED),
        ("bert", "lora", True),  # a ResNet's blocks have no linear layers
    ],
    indirect=["bench"],
)
def test_the_flops_of_a_trial_are_those_that_a_counter_over_all_of_it_sees(bench, strategy, cached, tmp_path):
    tried = "full" if strategy == "scratch" else strategy
    bench = dataclasses.replace(bench, study=STUDY.model_copy(update={"strategies": (tried,)}))
    rows = pa.table({"label": pa.array(bench.examples.labels, pa.int64())})
    candidates, _, selection = plan(bench, rows, Data(path="data"))
    if cached:
        bench = with_prefix(bench, candidates, "target")
    candidate = next(one for one in candidates if one.strategy == strategy)
    fold = next(split(rows, selection, seed=0))
    counted = run_trial(bench, candidate, 0, fold, ignore).flops
    again = dataclasses.replace(bench, folder=tmp_path / "again")  # with a meter that knows every kind of pass
    assert again.wide  # a study makes it once, not in a trial
    outcome, seen = count_flops(lambda: run_trial(again, candidate, 0, fold, ignore))
    assert outcome.flops == counted
    merging = 0 if strategy != "lora" else 0.01 * seen  # once, at the end: rank x inputs x outputs of every layer
    assert counted == pytest.approx(seen, abs=merging)


def test_recording_counts_what_ran_and_a_study_that_goes_on_does_not_count_it_again(bench):
    rows = pa.table({"label": pa.array(bench.examples.labels, pa.int64())})
    candidates, _, _ = plan(bench, rows, Data(path="data"))
    first = with_prefix(bench, candidates, "target").recording
    assert first.rows == len(rows)
    assert first.flops > 0
    assert with_prefix(bench, candidates, "target").recording == first


def test_a_second_study_of_the_same_source_stores_nothing_anew(bench, tmp_path):
    rows = pa.table({"label": pa.array(bench.examples.labels, pa.int64())})
    candidates, _, _ = plan(bench, rows, Data(path="data"))

    def stored():
        return {path: path.stat().st_mtime_ns for path in (tmp_path / "work" / "activations" / "target").rglob("*.npy")}

    with_prefix(bench, candidates, "target")
    before = stored()
    assert before
    assert with_prefix(bench, candidates, "target").prefix is not None
    assert stored() == before


def test_of_a_head_over_all_boundaries_the_cache_keeps_the_pooled_features_and_no_maps(bench, tmp_path):
    bench = dataclasses.replace(bench, study=STUDY.model_copy(update={"strategies": ("head2toe",)}))
    rows = pa.table({"label": pa.array(bench.examples.labels, pa.int64())})
    bench = with_prefix(bench, plan(bench, rows, Data(path="data"))[0], "target")
    assert (bench.prefix, bench.wide_prefix.boundaries) == (None, (4,))
    values = [np.load(path) for path in (tmp_path / "work" / "activations" / "target").rglob("values.npy")]
    assert {value.shape[1:] for value in values} == {(sum(bench.wide.widths.values()),)}
    assert sum(map(len, values)) == len(bench.examples)


def test_the_cache_can_be_turned_off(bench, monkeypatch):
    monkeypatch.setenv("GRAFT_CACHE_GIGABYTES", "0")
    settings.cache_clear()
    rows = pa.table({"label": pa.array(bench.examples.labels, pa.int64())})
    assert with_prefix(bench, plan(bench, rows, Data(path="data"))[0], "target").prefix is None
