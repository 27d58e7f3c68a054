import dataclasses

import pyarrow as pa
import pytest
import torch

from graft.backbones import build
from graft.catalog import Data, Study
from graft.problems import PROBLEMS
from graft.settings import settings
from graft.study import Bench, plan, search, train_finals
from graft.study.caching import with_prefix
from graft.training.batches import group_by_length
from tests.conftest import BERT, RESNET

STRATEGIES = ("linear-probe", "top-1", "lp-ft", "surgical")
STUDY = Study(strategies=STRATEGIES, seeds=2, budget_steps=4, folds=2, batch_size=6)


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
    return dataclasses.replace(outcome, seconds=0.0, peak_memory_bytes=0)


def test_a_study_from_the_cache_is_the_study_without_it_to_the_bit(bench):
    cached_bench, cached, cached_finals = run(bench, True)
    _, plain, plain_finals = run(bench, False)
    assert cached_bench.prefix is not None
    assert set(cached_bench.prefix.boundaries) >= {3, 4}
    assert [_facts(outcome) for outcome in cached.outcomes] == [_facts(outcome) for outcome in plain.outcomes]
    assert [standing.candidate for standing in cached.standings] == [standing.candidate for standing in plain.standings]
    for place, weights in plain_finals.items():
        assert all(torch.equal(value, cached_finals[place][name]) for name, value in weights.items()), place


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


def test_the_cache_can_be_turned_off(bench, monkeypatch):
    monkeypatch.setenv("GRAFT_CACHE_GIGABYTES", "0")
    settings.cache_clear()
    rows = pa.table({"label": pa.array(bench.examples.labels, pa.int64())})
    assert with_prefix(bench, plan(bench, rows, Data(path="data"))[0], "target").prefix is None
