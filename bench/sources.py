"""Sources for the benchmarks of decisions: good ones, and some that are known to be worth nothing or worse.

Each is pretrained once by `graft.steps pretrain` and kept in `.graft/bench/sources` by its content: recipe and rows.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.rows import REAL, ROOT, build_bundled
from graft.catalog import Backbone, Catalog, Data, Pretraining, Source
from graft.manifest import digest
from graft.problems import PROBLEMS
from graft.reading import read

KEPT = Path(".graft/bench")
RESNET = {
    "model_type": "resnet", "num_channels": 1, "embedding_size": 16, "hidden_sizes": [16, 32, 64],
    "depths": [1, 1, 1], "layer_type": "basic", "downsample_in_first_stage": False,
}  # fmt: skip
BERT = {
    "model_type": "bert", "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4,
    "intermediate_size": 128, "max_position_embeddings": 64,
}  # fmt: skip
IMAGES = {"learning_rate": 2e-3, "image_size": 28}
TEXTS = {"learning_rate": 1e-3, "max_tokens": 32, "vocabulary_size": 2000}
MEMORISED, HELD = 2000, 500  # rows with wrong labels, and how many of them are watched
WORDS = 30  # of a passage of Shakespeare: about what a movie review has
UNLIKE = 20_261_124  # seed of a network that nobody else begins with


@dataclass(frozen=True)
class Recipe:
    """How a source is made."""

    problem: str
    rows: Callable[[], Path]
    """Makes the rows if they are not there yet, and returns their folder."""
    config: Mapping[str, Any]
    pretraining: Mapping[str, Any]

    def source(self) -> Source:
        """Return the entry of the catalogue."""
        return Source(
            problem=self.problem,
            data=Data(path=str(self.rows().resolve())),
            backbone=Backbone(config=dict(self.config)),
            pretraining=Pretraining(**self.pretraining),
        )


def real(name: str) -> Path:
    """Return the folder of a real dataset, or of the part of a bundled example that stands in for it."""
    if (REAL / name).is_dir():
        return REAL / name
    return bundled(*BUNDLED[name])


def bundled(example: str, part: str) -> Path:
    """Return the folder of a part of a bundled example, built if it is not there yet."""
    return _made(f"bundled-{example}", lambda folder: build_bundled(example, folder)) / "data" / example / part


BUNDLED = {
    "mnist": ("digits", "source"),
    "fashion_mnist": ("digits", "target"),
    "pneumonia": ("digits", "target"),
    "movie_reviews": ("pydocs", "target"),
    "review_sentences": ("pydocs", "target"),
    "emotion": ("pydocs", "target"),
}


def shuffled(name: str, problem: str) -> Path:
    """Return some rows with their labels dealt out anew; the validation rows are among them, to be known by heart.

    A part held out would end the training at once: there is nothing to learn but the rows themselves.
    """

    def make(folder: Path) -> None:
        dataset = read(Data(path=str(real(name))), PROBLEMS[problem])
        table = dataset.splits["train"].slice(0, MEMORISED)
        labels = np.random.default_rng(0).permutation(table["label"].to_numpy())
        table = _plain(table, problem).append_column("label", pa.array([dataset.labels[label] for label in labels]))
        for split, rows in {"train": table, "validation": table.slice(0, HELD), "test": table.slice(0, HELD)}.items():
            pq.write_table(rows, folder / f"{split}.parquet")

    return _made(f"{name}-shuffled", make)


def shakespeare() -> Path:
    """Return passages of Shakespeare, unlabelled; without the real text those of the bundled documentation."""
    if not (REAL / "shakespeare").is_dir():
        return bundled("pydocs", "source")

    def make(folder: Path) -> None:
        for split in ("train", "validation", "test"):
            words = (REAL / "shakespeare" / f"{split}.txt").read_text().split()
            passages = [" ".join(words[start : start + WORDS]) for start in range(0, len(words), WORDS)]
            pq.write_table(pa.table({"text": passages}), folder / f"{split}.parquet")

    return _made("shakespeare", make)


RECIPES: dict[str, Recipe] = {
    "mnist": Recipe("image-classification", lambda: real("mnist"), RESNET, {**IMAGES, "epochs": 4}),
    "fashion_mnist": Recipe("image-classification", lambda: real("fashion_mnist"), RESNET, {**IMAGES, "epochs": 6}),
    "movie_reviews": Recipe("text-classification", lambda: real("movie_reviews"), BERT, {**TEXTS, "epochs": 5}),
    "shakespeare": Recipe("masked-language-modelling", shakespeare, BERT, {**TEXTS, "epochs": 5}),
    "mnist, labels shuffled": Recipe(
        "image-classification", lambda: shuffled("mnist", "image-classification"), RESNET, {**IMAGES, "epochs": 25}
    ),
    "mnist, rate of 1": Recipe(
        "image-classification",
        lambda: shuffled("mnist", "image-classification"),
        RESNET,
        {**IMAGES, "epochs": 6, "learning_rate": 1.0, "patience": 6, "clip": 1e6},
    ),
    "movie_reviews, labels shuffled": Recipe(
        "text-classification", lambda: shuffled("movie_reviews", "text-classification"), BERT, {**TEXTS, "epochs": 20}
    ),
    "random weights (images)": Recipe(
        "image-classification", lambda: real("mnist"), RESNET, {**IMAGES, "epochs": 0, "seed": UNLIKE}
    ),
    "random weights (texts)": Recipe(
        "text-classification", lambda: real("movie_reviews"), BERT, {**TEXTS, "epochs": 0, "seed": UNLIKE}
    ),
}


def open_source(name: str) -> Path:
    """Return the folder of a source checkpoint, made if it is not there yet."""
    recipe = RECIPES[name]
    source = recipe.source()
    dataset = read(source.data, PROBLEMS[source.problem])
    key = digest({"rows": dataset.fingerprint, "source": source.model_dump(exclude={"data": {"path"}})})[:16]
    project = KEPT / "sources" / key
    checkpoint = project / "checkpoints" / "source"
    if not (checkpoint / "manifest.json").exists():
        _pretrain(source, project)
    return checkpoint


def _pretrain(source: Source, project: Path) -> None:
    project.mkdir(parents=True, exist_ok=True)
    catalog = Catalog(sources={"source": source})
    (project / "params.yaml").write_text(catalog.model_dump_json(exclude_none=True))  # JSON is YAML
    environment = os.environ | {"PYTHONPATH": str(ROOT), "GRAFT_WORK": str((project / "work").resolve())}
    command = [sys.executable, "-m", "graft.steps", "pretrain", "source"]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{project}: pretraining ended with {done.returncode}:\n{done.stderr}")


def _plain(table: pa.Table, problem: str) -> pa.Table:
    """Return the inputs alone: labels are made anew, and provenance is that of the new file."""
    return table.select([column for column in PROBLEMS[problem].columns if column != "label"])


def _made(name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder of rows, written whole if it is not there yet."""
    folder = KEPT / "data" / name
    if not folder.exists():
        unfinished = folder.with_name(f"{name}.{os.getpid()}")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        make(unfinished)
        try:
            unfinished.rename(folder)
        except OSError:  # another process was first
            shutil.rmtree(unfinished)
    return folder
