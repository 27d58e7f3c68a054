"""Tiny real packages: a BERT of a few hundred weights that tells animals from plants, badly."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graft.catalog import Gates, Pretraining
from graft.manifest import write_manifest
from graft.problems import PROBLEMS
from graft.registry import Candidate, Registry
from graft.storage import MemoryStore

LABELS = ("animal", "plant")
TEXTS = [f"the {word} number {index}" for index, word in enumerate(["cat", "oak", "dog", "fern", "owl", "rose"] * 10)]
METRICS = {"verdict": "helps", "gain": 0.05, "forgetting": 0.01, "ece_calibrated": 0.03}


@pytest.fixture(scope="session")
def network(tmp_path_factory):
    """A Hugging Face folder with a tiny BERT and its tokenizer."""
    from graft import backbones

    problem, folder = PROBLEMS["text-classification"], tmp_path_factory.mktemp("network")
    config = {
        "model_type": "bert",
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 8,
        "max_position_embeddings": 8,
        "vocab_size": 100,
    }
    processor = problem.make_processor(
        pa.table({"text": TEXTS}), config, Pretraining(vocabulary_size=100, max_tokens=8)
    )
    backbones.save(backbones.build(problem, config, LABELS, seed=0), processor, folder)
    return folder


@pytest.fixture
def make_package(network, tmp_path):
    """Return a function that makes the package of one evaluation with the given rows right or wrong."""

    def make(name, right, hashes=None, trained=("train-row",), target="words", labels=LABELS, **metrics):
        from graft.evaluation.package import write_golden

        folder = tmp_path / name
        shutil.copytree(network, folder)
        facts = {"target": target, "source": "s", "problem": "text-classification", "labels": list(labels)}
        facts |= {"temperature": 1.5, "train_hashes": list(trained), "metrics": {**METRICS, **metrics}, "name": name}
        (folder / "graft.json").write_text(json.dumps(facts))
        (folder / "README.md").write_text("# words\n")
        write_golden(
            folder,
            PROBLEMS["text-classification"],
            pa.table({"text": TEXTS[:6], "label": np.array([0, 1] * 3)}),
            labels,
            1.5,
        )
        pq.write_table(predictions(right, hashes), folder / "predictions.parquet")
        write_manifest(folder)
        return folder

    return make


def predictions(right, hashes=None):
    """A row is of label 0; a model that is right about it gives that 0.9."""
    shares = [[0.9, 0.1] if is_right else [0.1, 0.9] for is_right in right]
    return pa.table(
        {
            "hash": hashes or [f"row-{row}" for row in range(len(right))],
            "label": np.zeros(len(right), np.int64),
            "transfer": shares,
        }
    )


@pytest.fixture
def registry(tmp_path):
    return Registry(MemoryStore(), tmp_path / "cache")


@pytest.fixture
def candidate():
    """Return a function that makes a candidate of a package folder."""

    def make(folder, test_rows=lambda: pytest.fail("no row was to be read anew"), gates=None, **metrics):
        found = {**json.loads((folder / "graft.json").read_text())["metrics"], **metrics}
        return Candidate("words", folder, found, gates or Gates(), test_rows, resamples=300)

    return make
