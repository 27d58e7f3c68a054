"""Tiny real packages: a BERT of a few hundred weights that tells animals from plants, badly."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graft.catalog import Pretraining
from graft.manifest import write_manifest
from graft.problems import PROBLEMS

LABELS = ("animal", "plant")
TEXTS = [f"the {word} number {index}" for index, word in enumerate(["cat", "oak", "dog", "fern", "owl", "rose"] * 10)]
METRICS = {"verdict": "helps", "gain": 0.05, "forgetting": 0.01, "ece_calibrated": 0.03}
BERT = {
    "model_type": "bert",
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 8,
    "max_position_embeddings": 8,
    "vocab_size": 100,
}
RESNET = {
    "model_type": "resnet",
    "num_channels": 1,
    "embedding_size": 4,
    "hidden_sizes": [4, 8],
    "depths": [1, 1],
    "layer_type": "basic",
}


def save_network(folder, problem, config, table):
    """Write a Hugging Face folder with a random network and a processor fitted on the table."""
    from graft import backbones

    recipe = Pretraining(vocabulary_size=100, max_tokens=8, image_size=8)
    processor = PROBLEMS[problem].make_processor(table, config, recipe)
    backbones.save(backbones.build(PROBLEMS[problem], config, LABELS, seed=0), processor, folder)
    return folder


def build_package(folder, network, right, hashes=None, problem="text-classification", table=None, **facts):
    """Write the package of one evaluation with the given rows right or wrong."""
    from graft.evaluation.package import write_golden

    shutil.copytree(network, folder)
    told = {"target": "words", "source": "s", "problem": problem, "labels": LABELS, "temperature": 1.5}
    told |= {"train_hashes": ["train-row"], "metrics": METRICS, "strategy": folder.name} | facts
    (folder / "graft.json").write_text(json.dumps(told))
    (folder / "README.md").write_text("# words\n")
    table = table or pa.table({"text": TEXTS[:6], "label": np.array([0, 1] * 3)})
    write_golden(folder, PROBLEMS[problem], table, told["labels"], told["temperature"])
    pq.write_table(predictions(right, hashes), folder / "predictions.parquet")
    write_manifest(folder)
    return folder


def predictions(right, hashes=None):
    """Return predictions for rows of label 0; a model that is right about one gives that 0.9."""
    shares = [[0.9, 0.1] if is_right else [0.1, 0.9] for is_right in right]
    rows = hashes or [f"row-{row}" for row in range(len(right))]
    return pa.table({"hash": rows, "label": np.zeros(len(right), np.int64), "transfer": shares})
