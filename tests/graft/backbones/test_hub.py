"""Hub ids without a network: one message each, and a copy in the local cache loads."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from graft.backbones import build, load, save
from graft.catalog import Pretraining
from graft.problems import PROBLEMS
from graft.steps.__main__ import main
from tests.conftest import BERT
from tests.graft.problems.test_pixels import cell, noise
from tests.hub import cache_snapshot
from tests.sounds import tone, wav

ROOT = Path(__file__).parents[3]
IDS = {
    "timm/vgg16.tv_in1k": "image-classification",
    "timm/inception_v3.tv_in1k": "image-classification",
    "microsoft/resnet-50": "image-classification",
    "facebook/detr-resnet-50": "image-classification",
    "google-bert/bert-base-uncased": "text-classification",
    "openai-community/gpt2": "text-classification",
    "facebook/wav2vec2-base": "audio-classification",
    "openai/whisper-tiny": "audio-classification",
}


def rows(problem):
    """Return 20 labelled rows for a problem of classes."""
    labels = ["yes", "no"] * 10
    inputs = {
        "image-classification": lambda number: {"image": cell(noise((40 + number, 40)))},
        "text-classification": lambda number: {"text": f"the film number {number} was {labels[number]}"},
        "audio-classification": lambda number: {"audio": {"bytes": wav(tone(500, seed=number)), "path": None}},
    }[problem]
    return pa.Table.from_pylist([{**inputs(number), "label": label} for number, label in enumerate(labels)])


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a function that writes a catalogue of one source, `s`, from a hub id, with its rows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRAFT_DEVICE", "cpu")

    def write(hub_id, problem, **pretraining):
        pq.write_table(rows(problem), "rows.parquet")
        source = {"problem": problem, "data": {"path": "rows.parquet"}, "backbone": {"hub": hub_id}}
        with Path("params.yaml").open("w") as stream:
            YAML(typ="safe").dump({"sources": {"s": source | {"pretraining": pretraining}}}, stream)

    return write


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of the hub, and no network."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "cache"


@pytest.mark.parametrize("hub_id", IDS)
def test_a_hub_id_that_is_not_here_gives_one_message(hub_id, project, cache, capsys):
    project(hub_id, IDS[hub_id])
    assert main(["pretrain", "s"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"pretrain@s: backbone.hub '{hub_id}': not in the local cache")
    assert "write `checkpoint: FOLDER`" in said
    assert "Traceback" not in said
    assert not Path("checkpoints").exists()


def test_a_hub_that_cannot_be_reached_is_said_by_the_command_line(project, tmp_path):
    project("timm/vgg16.tv_in1k", "image-classification")
    nobody = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "home")}
    environment = os.environ | nobody | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "flows.cli", "layers", "s"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: backbone.hub 'timm/vgg16.tv_in1k': not in the local cache")
    assert "Traceback" not in done.stderr


def test_a_connection_that_breaks_in_the_middle_of_a_file_is_one_message_too(project, monkeypatch, capsys):
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError

    broken = HfHubHTTPError.__bases__[0]  # of the HTTP client that this version is built on
    assert not issubclass(broken, OSError)

    def fetch(*arguments, **options):
        raise broken("peer closed connection without sending complete message body")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    project("timm/vgg16.tv_in1k", "image-classification")
    assert main(["pretrain", "s"]) == 2
    said = capsys.readouterr().err
    assert "the hub did not answer" in said
    assert "peer closed connection" in said


def timm_folder(folder):
    """Write a folder as the hub has it for a network of timm."""
    import timm
    from safetensors.torch import save_file

    raw = timm.create_model("test_resnet", num_classes=5)
    folder.mkdir()
    save_file(raw.state_dict(), folder / "model.safetensors")
    pretrained = {"input_size": [3, 32, 32], "interpolation": "bicubic", "crop_pct": 1.0, "num_classes": 5,
                  "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2]}  # fmt: skip
    config = {"architecture": "test_resnet", "num_classes": 5, "num_features": raw.num_features}
    (folder / "config.json").write_text(json.dumps({**config, "pretrained_cfg": pretrained}))


def bert_folder(folder):
    """Write a folder as the hub has it for a BERT."""
    problem = PROBLEMS["text-classification"]
    tokenizer = problem.make_processor(rows(problem.name), BERT, Pretraining(max_tokens=16))
    save(build(problem, {**BERT, "vocab_size": len(tokenizer)}, ("a", "b", "c"), seed=0), tokenizer, folder)


@pytest.mark.parametrize(
    ("hub_id", "problem", "write"),
    [
        ("timm/test_resnet.here", "image-classification", timm_folder),
        ("somebody/bert-here", "text-classification", bert_folder),
    ],
)
def test_without_a_network_a_source_begins_with_a_copy_in_the_cache(hub_id, problem, write, project, cache, tmp_path):
    from safetensors.torch import load_file

    write(tmp_path / "network")
    snapshot = cache_snapshot(cache, hub_id, tmp_path / "network")
    project(hub_id, problem, epochs=1, learning_rate=1e-9)
    assert main(["pretrain", "s"]) == 0
    assert load(Path("checkpoints/s"), PROBLEMS[problem]).config.id2label == {
        0: "no",
        1: "yes",
    }  # the head is a new one
    first, made = (load_file(folder / "model.safetensors") for folder in (snapshot, Path("checkpoints/s")))
    ends = {name.removeprefix("timm_model."): value for name, value in made.items()}
    alike = [name for name, value in first.items() if ends[name].shape == value.shape]
    assert len(alike) >= len(first) - 2  # weight and bias of the head are other ones
    moved = {name: float((ends[name].float() - first[name].float()).abs().max()) for name in alike}
    assert not [name for name, most in moved.items() if most > 1e-4 and "running" not in name and "num_" not in name]
