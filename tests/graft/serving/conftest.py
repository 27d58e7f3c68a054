"""Registries of tiny models, and servers of them."""

import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from graft.catalog import Gates
from graft.reading import MEDIA
from graft.registry import Candidate, Registry, publish
from graft.storage import MemoryStore
from tests.graft.registry.packages import BERT, METRICS, RESNET, TEXTS, build_package, save_network
from tests.served import serving


def png(seed, mode="L", side=8):
    stream = io.BytesIO()
    shape = (side, side) if mode == "L" else (side, side, 3)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="session")
def text_network(tmp_path_factory):
    return save_network(tmp_path_factory.mktemp("network"), "text-classification", BERT, pa.table({"text": TEXTS}))


@pytest.fixture
def words(text_network, tmp_path):
    """Return a registry, and a function that publishes another version of its model `words`."""
    registry = Registry(MemoryStore(), tmp_path / "cache")

    def add(temperature, promoted=True):
        package = build_package(tmp_path / f"v{temperature}", text_network, [True] * 4, temperature=temperature)
        gates = Gates() if promoted else Gates(min_gain=1.0)
        publish(registry, Candidate("words", package, METRICS, gates, list))
        if promoted and registry.state("words").champion != len(registry.state("words").versions):
            registry.promote(f"words@{len(registry.state('words').versions)}", "a tie is none")

    add(1.5)
    return registry, add


@pytest.fixture(scope="module")
def text_registry(text_network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    registry = Registry(MemoryStore(), folder / "cache")
    publish(
        registry, Candidate("words", build_package(folder / "one", text_network, [True] * 4), METRICS, Gates(), list)
    )
    return registry


@pytest.fixture(scope="module")
def scan_registry(tmp_path_factory):
    """A registry with a tiny ResNet that reads images."""
    folder, kind = tmp_path_factory.mktemp("scans"), "image-classification"
    table = MEDIA["image"].table([png(seed) for seed in range(8)]).append_column("label", pa.array([0, 1] * 4))
    network = save_network(folder / "network", kind, RESNET, table)
    package = build_package(folder / "package", network, [True] * 4, problem=kind, table=table, target="scans")
    registry = Registry(MemoryStore(), folder / "cache")
    publish(registry, Candidate("scans", package, METRICS, Gates(), list))
    return registry


@pytest.fixture(scope="module")
def texts(text_registry):
    with serving(text_registry, "words@champion", body_bytes=20_000, inputs=8, characters=5000) as client:
        yield client


@pytest.fixture(scope="module")
def scans(scan_registry):
    with serving(scan_registry, "scans", pixels=10_000) as client:
        yield client
