"""Connected digits of one speaker, recognised by a network that has learned the single digits of the others."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graft.catalog import Catalog
from graft.steps import adapt, check, evaluate, pretrain
from tests.real.connected_digits.joining import DIGITS, join_digits, read_digits

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not DIGITS.is_dir(), reason="../shared/data/spoken_digits is not there"),
]
SPEAKER = "lucas"
NETWORK = {
    "model_type": "wav2vec2",
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "classifier_proj_size": 48,
    "conv_dim": [16, 32, 32, 32],
    "conv_kernel": [10, 8, 4, 4],
    "conv_stride": [5, 4, 2, 2],
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "do_stable_layer_norm": True,
    **dict.fromkeys(
        ("hidden_dropout", "attention_dropout", "feat_proj_dropout", "final_dropout", "activation_dropout"), 0.0
    ),
}


def test_single_digits_help_to_recognise_connected_ones(tmp_path, monkeypatch):
    others = [row for split in ("train", "test") for row in read_digits(split) if row["speaker"] != SPEAKER]
    single = [
        {"audio": {"bytes": Path(row["path"]).read_bytes(), "path": None}, "label": row["label"]} for row in others
    ]
    joined = {
        "train": join_digits("train", {SPEAKER}, 240, 3, seed=2),
        "test": join_digits("test", {SPEAKER}, 40, 3, seed=3),
    }
    monkeypatch.chdir(tmp_path)
    pq.write_table(pa.Table.from_pylist(single), "single.parquet")
    Path("joined").mkdir()
    for split, rows in joined.items():
        pq.write_table(pa.Table.from_pylist(rows), f"joined/{split}.parquet")
    catalog = Catalog.model_validate({
        "sources": {"single": {
            "problem": "audio-classification", "data": {"path": "single.parquet"},
            "backbone": {"config": NETWORK},
            "pretraining": {
                "epochs": 20, "learning_rate": 3e-3, "batch_size": 16, "patience": 20, "sampling_rate": 4000,
            },
        }},
        "targets": {"joined": {
            "source": "single", "problem": "speech-recognition", "data": {"path": "joined", "labels": 240},
            "study": {"strategies": ["full"], "seeds": 2, "learning_rates": [3e-3], "budget_steps": 500,
                      "batch_size": 8, "label_counts": []},
            "evaluation": {"robustness_rows": 0},
        }},
    })  # fmt: skip
    check.run_source("single", catalog)
    pretrain.run("single", catalog)
    check.run_target("joined", catalog)
    adapt.run("joined", catalog)
    evaluate.run("joined", catalog)
    found = json.loads(Path("reports/joined/metrics.json").read_text())
    assert found["transfer_high"] < 1  # better than to write nothing
    assert found["gain_low"] > 0
    assert found["character_error_rate"] < found["character_error_rate_scratch"]
