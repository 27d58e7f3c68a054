"""A catalogue with checkpoints of random networks: images of two shades, and networks that see them, or see nothing."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from graft.backbones import build, save
from graft.catalog import Pretraining, load
from graft.manifest import whole_folder
from graft.problems import PROBLEMS
from graft.reading import read
from tests.conftest import BERT, RESNET

PARAMS = f"""
sources:
  seeing:
    problem: image-classification
    data: {{path: data/s}}
    backbone: {{config: {json.dumps(RESNET)}}}
  absent:
    problem: image-classification
    data: {{path: data/s}}
    backbone: {{config: {json.dumps(RESNET)}}}
  words:
    problem: masked-language-modelling
    data: {{path: data/words}}
    backbone: {{config: {json.dumps(BERT)}}}
    pretraining: {{max_tokens: 16}}
  other:
    problem: image-classification
    data: {{path: data/s}}
    backbone: {{config: {json.dumps(RESNET)}}}
  dead:
    problem: image-classification
    data: {{path: data/s}}
    backbone: {{config: {json.dumps(RESNET)}}}
targets:
  t:
    source: absent
    problem: image-classification
    data: {{path: data/t, labels_per_class: 6}}
    study: {{}}
  lines:
    source: words
    problem: text-classification
    data: {{path: data/lines}}
    study: {{}}
"""


def write_project():
    """Fill the working directory with a catalogue, its data, and the checkpoints of `seeing`, `other` and `dead`."""
    Path("params.yaml").write_text(PARAMS)
    rng = np.random.default_rng(0)
    for name in ("s", "t"):
        for split, rows in (("train", 30), ("test", 20)):
            write_images(Path("data") / name / f"{split}.parquet", rows, rng)
    for seed, name in enumerate(("seeing", "other", "dead")):
        write_checkpoint(name, seed)


def write_images(path, rows, rng):
    """Write images of two shades; their labels are the shades."""
    cells = []
    for row in range(rows):
        stream = io.BytesIO()
        pixels = rng.integers(0, 80, (16, 16)) + 90 * (row % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(stream, "PNG")
        cells.append({"bytes": stream.getvalue(), "path": None})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"image": cells, "label": [str(row % 2) for row in range(rows)]}), path)


def write_checkpoint(name, seed):
    """Write a checkpoint of random weights; where its name is `dead`, of none that lets anything through."""
    problem, source = PROBLEMS["image-classification"], load().source(name)
    dataset = read(source.data, problem)
    processor = problem.make_processor(dataset.splits["train"], RESNET, Pretraining(image_size=16))
    model = build(problem, RESNET, dataset.labels, seed)
    if name == "dead":
        for parameter in model.parameters():
            parameter.data.zero_()
    with whole_folder(Path("checkpoints") / name) as folder:
        save(model, processor, folder)
        pq.write_table(dataset.splits["test"], folder / "test.parquet")
        (folder / "source.json").write_text(json.dumps({"problem": source.problem}))


def write_words():
    """Write the texts of `words` and `lines`, and the checkpoint of a language model of random weights."""
    for name, labelled in (("words", False), ("lines", True)):
        folder = Path("data") / name
        folder.mkdir()
        for split in ("train", "test"):
            rows = [f"the {('cat', 'oak')[row % 2]} number {row} of {split}" for row in range(20)]
            lines = [f"{text},{('animal', 'plant')[row % 2]}" for row, text in enumerate(rows)] if labelled else rows
            (folder / f"{split}.csv").write_text("\n".join(["text,label" if labelled else "text", *lines]) + "\n")
    problem, source = PROBLEMS["masked-language-modelling"], load().source("words")
    dataset = read(source.data, problem)
    processor = problem.make_processor(dataset.splits["train"], BERT, Pretraining(vocabulary_size=100, max_tokens=12))
    with whole_folder(Path("checkpoints/words")) as folder:
        save(build(problem, {**BERT, "vocab_size": len(processor)}, (), 0), processor, folder)
        pq.write_table(dataset.splits["test"], folder / "test.parquet")
        (folder / "source.json").write_text(json.dumps({"problem": source.problem}))
