"""Film reviews to Shakespeare, cut down: a model that writes is better than the frequencies of tokens."""

import json
from pathlib import Path

import numpy as np
import pytest

from graft.backbones import load_processor
from graft.catalog import Catalog, load
from graft.evaluation.bootstrap import compare
from graft.problems import PROBLEMS
from graft.problems.grades import Grades
from graft.reading import read
from graft.steps import adapt, check, evaluate, pretrain

ROOT = Path(__file__).parents[3]
DATA = ROOT / "../shared/data"
PROBLEM = PROBLEMS["text-generation"]
pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(
        not (DATA / "shakespeare").is_dir(), reason="needs ../shared/data/shakespeare and movie_reviews"
    ),
]


def reduced() -> Catalog:
    """Return the catalogue with one pass less, one strategy, and nothing measured beside the verdict."""
    raw = load(ROOT / "tests/real/shakespeare/params.yaml").model_dump()
    raw["sources"]["reviews"]["data"]["path"] = str(DATA / "movie_reviews")
    raw["sources"]["reviews"]["pretraining"] |= {"epochs": 2}
    raw["targets"]["speeches"]["data"]["path"] = str(DATA / "shakespeare")
    raw["targets"]["speeches"]["study"] |= {"strategies": ["full"]}
    raw["targets"]["speeches"]["evaluation"] = {"robustness_rows": 0}
    return Catalog.model_validate(raw)


def unigram(catalog: Catalog) -> Grades:
    """Return the nats of the test rows under the frequencies of tokens in the training rows, each counted once more."""
    splits = read(catalog.target("speeches").data, PROBLEM).splits
    tokenizer = load_processor(Path("checkpoints/reviews"), PROBLEM)

    def tokens(split):
        examples = PROBLEM.encode(splits[split], tokenizer)
        windows = [window[1:] for window in examples.features]
        return [np.concatenate([windows[item] for item in np.flatnonzero(examples.rows == row)])
                for row in range(examples.row_count)]  # fmt: skip

    counts = 1 + np.bincount(np.concatenate(tokens("train")), minlength=len(tokenizer))
    nats = -np.log(counts / counts.sum())
    return Grades.of([nats[row].sum() for row in tokens("test")], [len(row) for row in tokens("test")])


def test_it_is_better_than_the_frequencies_of_tokens_and_than_scratch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    catalog = reduced()
    check.run_source("reviews", catalog)
    pretrain.run("reviews", catalog)
    check.run_target("speeches", catalog)
    adapt.run("speeches", catalog)
    evaluate.run("speeches", catalog)
    metrics = json.loads((tmp_path / "reports/speeches/metrics.json").read_text())
    trivial = unigram(catalog)
    least = compare(trivial, trivial, resamples=1000, confidence=0.95, seed=0, higher_is_better=False).ours.low
    assert metrics["transfer_high"] < least
    assert metrics["gain_low"] > 0
