"""A project of a few small targets, cloned from this one, whose catalogue changes from round to round."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parents[2]
SOURCES = ("wide", "narrow")
TARGETS = ("one", "two", "three", "four", "five", "six")
WIDTHS = {"wide": [8, 16], "narrow": [4, 8]}


def make(folder: Path) -> Path:
    """Return a clone of this project's files as they lie here, with a catalogue of its own, committed."""
    shutil.rmtree(folder, ignore_errors=True)
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (HERE / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(HERE / name, folder / name)
    (folder / "dvc.lock").unlink(missing_ok=True)
    git(folder, "init", "--quiet")
    write_catalogue(folder, 0)
    return folder


def write_catalogue(folder: Path, turn: int) -> None:
    """Write params.yaml and commit it; with each turn two targets have a study of another length."""
    (folder / "params.yaml").write_text(json.dumps(catalogue(turn), indent=1) + "\n")
    git(folder, "add", "--all")
    who = ["-c", "user.name=chaos", "-c", "user.email=chaos@localhost"]
    git(folder, *who, "commit", "--quiet", "--allow-empty", "-m", f"turn {turn}")


def catalogue(turn: int) -> dict[str, object]:
    """Return the catalogue of a turn."""
    return {
        "sources": {name: source(name) for name in SOURCES},
        "targets": {name: target(place, turn) for place, name in enumerate(TARGETS)},
    }


def source(name: str) -> dict[str, object]:
    network = {"model_type": "resnet", "num_channels": 1, "embedding_size": WIDTHS[name][0], "depths": [1, 1]}
    network |= {"hidden_sizes": WIDTHS[name], "layer_type": "basic", "downsample_in_first_stage": False}
    return {
        "problem": "image-classification",
        "data": {"path": "data/digits/source"},
        "backbone": {"config": network},
        "pretraining": {"epochs": 4, "learning_rate": 0.002, "image_size": 16},
    }


def target(place: int, turn: int) -> dict[str, object]:
    changes = (turn + 2 - place % 3) // 3  # of this target until now
    study = {"strategies": ["linear-probe", "full"], "seeds": 2, "learning_rates": [0.001], "label_counts": []}
    return {
        "source": SOURCES[place % 2],
        "problem": "image-classification",
        "data": {"path": "data/digits/target", "labels_per_class": 5 + place},
        "study": study | {"budget_steps": 20 + changes},
        "evaluation": {"robustness_rows": 0},
        "gates": {"max_ece": 0.5},
    }


def unbroken(folder: Path, origin: Path, turn: int) -> dict[str, str]:
    """Train every target of a turn in one go in a clone of the project; return the sha256 of each one's weights."""
    shutil.rmtree(folder, ignore_errors=True)
    git(origin, "clone", "--quiet", str(origin), str(folder))
    write_catalogue(folder, turn)
    stages = [f"evaluate@{name}" for name in TARGETS]
    command = [sys.executable, "-m", "dvc", "repro", "--quiet", *stages]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=environment())
    return {name: weights(folder / "packages" / name) for name in TARGETS}


def weights(package: Path) -> str:
    """Return the sha256 of a package's weights."""
    return str(json.loads((package / "manifest.json").read_text())["files"]["model.safetensors"])


def environment() -> dict[str, str]:
    """Return an environment in which `python` is this one and a project's code is its own."""
    from tasks.children import environment as ours

    return {name: value for name, value in ours().items() if not name.startswith(("GRAFT_", "PREFECT_", "PYTHONPATH"))}


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)
