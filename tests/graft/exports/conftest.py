"""Registries of one tiny model each, with a card as the evaluation writes it."""

import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from graft.catalog import Gates
from graft.manifest import write_manifest
from graft.reading import MEDIA
from graft.registry import Candidate, Registry, publish
from graft.storage import MemoryStore
from tests.graft.registry.packages import BERT, METRICS, RESNET, TEXTS, build_package, save_network

CARD = """---
library_name: transformers
pipeline_tag: {problem}
tags:
- graft
metrics:
- accuracy
model-index:
- name: {name}
  results:
  - task:
      type: {problem}
    dataset:
      name: {name}
      type: {name}
    metrics:
    - type: accuracy
      value: 0.9
---

# {name}

It tells one from another.
"""


def register(folder, name, problem, config, table):
    network = save_network(folder / "network", problem, config, table)
    package = build_package(folder / "package", network, [True] * 4, problem=problem, table=table, target=name)
    (package / "README.md").write_text(CARD.format(name=name, problem=problem))
    write_manifest(package)
    registry = Registry(MemoryStore(), folder / "cache")
    publish(registry, Candidate(name, package, METRICS, Gates(), list))
    return registry


@pytest.fixture(scope="package")
def words(tmp_path_factory):
    table = pa.table({"text": TEXTS[:6], "label": np.array([0, 1] * 3)})
    return register(tmp_path_factory.mktemp("words"), "words", "text-classification", BERT, table)


@pytest.fixture(scope="package")
def scans(tmp_path_factory):
    pictures = []
    for seed in range(8):
        stream = io.BytesIO()
        pixels = np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(stream, "PNG")
        pictures.append(stream.getvalue())
    table = MEDIA["image"].table(pictures).append_column("label", pa.array([0, 1] * 4))
    return register(tmp_path_factory.mktemp("scans"), "scans", "image-classification", RESNET, table)
