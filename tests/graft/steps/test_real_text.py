"""A small GPT-2 from plays to film reviews, on real text: every step from files to a verdict."""

import json
from pathlib import Path

import pytest

from graft.catalog import load
from graft.steps import adapt, check, evaluate, pretrain

REAL = Path(__file__).parents[3] / "../shared/data"
PARAMS = """
sources:
  shakespeare:
    problem: text-generation
    data: {path: data/shakespeare}
    backbone: {config: {model_type: gpt2, n_embd: 32, n_layer: 2, n_head: 2, n_positions: 32}}
    pretraining: {epochs: 2, max_tokens: 32, vocabulary_size: 500}
targets:
  movies:
    source: shakespeare
    problem: text-classification
    data: {path: data/movie_reviews, labels_per_class: 20}
    study: {strategies: [linear-probe, full], seeds: 2, folds: 2, budget_steps: 20, label_counts: []}
    evaluation: {robustness_rows: 0}
"""


@pytest.mark.real
def test_plays_by_next_token_to_film_reviews(tmp_path, monkeypatch):
    for name in ("shakespeare", "movie_reviews"):
        if not (REAL / name).is_dir():
            pytest.skip(f"no {name} in ../shared/data")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS)
    (tmp_path / "data" / "shakespeare").mkdir(parents=True)
    for split, size in (("train", 200_000), ("validation", 20_000), ("test", 20_000)):
        text = (REAL / "shakespeare" / f"{split}.txt").read_text()[:size]
        (tmp_path / "data" / "shakespeare" / f"{split}.txt").write_text(text)
    (tmp_path / "data" / "movie_reviews").symlink_to((REAL / "movie_reviews").resolve())
    catalog = load()
    check.run_source("shakespeare", catalog)
    pretrain.run("shakespeare", catalog)
    made = json.loads(Path("checkpoints/shakespeare/source.json").read_text())["test"]
    assert made["loss"] < 5.5  # knowing nothing is 6.2: the logarithm of 500
    assert 1 < made["bits_per_byte"] < 4.5
    check.run_target("movies", catalog)
    adapt.run("movies", catalog)
    evaluate.run("movies", catalog)
    found = json.loads(Path("reports/movies/metrics.json").read_text())
    assert found["verdict"] in ("helps", "neutral", "hurts", "cannot-tell")
    assert found["source_metric"] == "loss"
    assert found["source_before"] == pytest.approx(made["loss"], rel=1e-4)
    assert found["test_rows"] == 1067
