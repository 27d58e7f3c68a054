"""Every family of text network, pretrained as it can be, under text classification: strategies, cache, scores."""

import dataclasses
import json

import pyarrow.parquet as pq
import pytest
import torch

from graft.backbones import agree, build, layer_groups, load, load_processor, save
from graft.catalog import Data, Pretraining, Study
from graft.problems import PROBLEMS
from graft.settings import settings
from graft.strategies import STRATEGIES
from graft.study import Bench, plan
from graft.study.caching import with_prefix
from graft.study.candidates import make_candidates
from graft.study.folds import split
from graft.study.skill import open_skill
from graft.study.trial import run_trial
from graft.training.batches import group_by_length
from graft.transferability import SCORES
from graft.transferability.boundaries import score_checkpoint
from tests.networks import ALBERT, DISTILBERT, ELECTRA, GPT2, LLAMA, ROBERTA

CLASSES, CAUSAL, MASKED = (
    PROBLEMS[name] for name in ("text-classification", "text-generation", "masked-language-modelling")
)
FAMILIES = {config["model_type"]: config for config in (GPT2, LLAMA, DISTILBERT, ROBERTA, ELECTRA, ALBERT)}
TRIED = tuple(name for name in STRATEGIES if name != "scratch")
STUDY = Study(strategies=TRIED, seeds=2, budget_steps=5, folds=2, batch_size=6, replay=0.25, max_forgetting=1.0)


@pytest.fixture(scope="module", params=FAMILIES)
def source(request, sentences, tmp_path_factory):
    """The checkpoint of a language model, with rows of its own."""
    folder, config = tmp_path_factory.mktemp("source"), FAMILIES[request.param]
    problem = CAUSAL if config in (GPT2, LLAMA) else MASKED
    processor = problem.make_processor(sentences, config, Pretraining(max_tokens=16, vocabulary_size=300))
    model = build(problem, {**config, "vocab_size": len(processor)}, (), seed=0)
    agree(model, processor, 16)
    save(model, processor, folder)
    (folder / "source.json").write_text(json.dumps({"problem": problem.name}))
    for name in ("validation", "replay"):
        pq.write_table(sentences.select(["text"]), folder / f"{name}.parquet")
    return folder


@pytest.fixture
def bench(source, sentences, tmp_path, monkeypatch):
    monkeypatch.setenv("GRAFT_WORK", str(tmp_path / "work"))
    settings.cache_clear()
    processor = load_processor(source, CLASSES)
    rows = group_by_length(CLASSES.encode(sentences, processor), STUDY.batch_size)
    model, skill = load(source, CLASSES, ("a", "b")), open_skill(source, STUDY)
    return Bench(CLASSES, processor, model, ("a", "b"), rows, STUDY, tmp_path / "trials", skill=skill)


def ignore(step, message):
    pass


def outcomes(bench, sentences):
    """Return what a trial of every strategy came to, but for what it took."""
    candidates, notes, selection = plan(bench, sentences, Data(path="data"))
    fold = next(split(sentences, selection, seed=0))
    found = {one.strategy: run_trial(bench, one, 0, fold, ignore) for one in candidates}
    free = {"seconds": 0.0, "peak_memory_bytes": 0, "flops": None}
    return {name: dataclasses.replace(outcome, **free) for name, outcome in found.items()}, notes


def test_every_strategy_from_the_cache_is_the_one_without_it_to_the_bit(bench, sentences):
    candidates, _, _ = plan(bench, sentences, Data(path="data"))
    cached = dataclasses.replace(with_prefix(bench, candidates, "target"), folder=bench.folder / "cached")
    groups = len(layer_groups(bench.source))
    assert groups - 1 in cached.prefix.boundaries  # all below the head
    assert cached.prefix.off == {}
    plain, notes = outcomes(bench, sentences)
    assert outcomes(cached, sentences)[0] == plain
    left_out = {note.split()[0] for note in notes} & {*TRIED}
    assert plain.keys() | left_out == {*TRIED, "scratch"}
    assert len(plain) > 8
    assert plain["linear-probe"].forgetting == 0
    assert plain["full"].forgetting != 0


def test_every_score_is_there_at_every_boundary(bench, source, sentences):
    origin = PROBLEMS[json.loads((source / "source.json").read_text())["problem"]]
    found = score_checkpoint(source, origin, CLASSES, bench.examples, bench.processor)
    assert list(found) == [group.name for group in layer_groups(bench.source)][:-1]
    for scores in found.values():
        known = {name for name, value in scores.items() if isinstance(value, float)}
        assert set(SCORES) - known <= {"leep", "n_leep"}  # which ask for a source with classes


def test_a_text_is_classified_alike_in_any_company(bench):
    model = bench.source.eval()
    with torch.no_grad():
        batch = CLASSES.collate(bench.examples, [0, 1, 2], bench.processor, torch.Generator(), False)
        batch.pop("labels")
        wide = {name: torch.nn.functional.pad(value, (0, 3), value=0) for name, value in batch.items()}
        wide["input_ids"][:, -3:] = bench.processor.pad_token_id
        if wide["input_ids"].shape[1] > bench.processor.model_max_length:
            wide = {name: value[:, : bench.processor.model_max_length] for name, value in wide.items()}
        torch.testing.assert_close(model(**wide).logits, model(**batch).logits, atol=1e-6, rtol=1e-5)


def test_a_strategy_for_biases_is_left_out_where_a_network_has_none():
    model = build(CLASSES, LLAMA, ("a", "b"), seed=0)
    candidates, notes = make_candidates(Study(strategies=("bitfit", "linear-probe", "norm-only")), model)
    assert {one.strategy for one in candidates} == {"linear-probe", "norm-only", "scratch"}
    assert notes == ["bitfit trains biases, and this network has none below its head: it would be linear-probe"]
