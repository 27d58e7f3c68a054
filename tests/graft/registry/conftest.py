"""A registry in memory, and candidates for it."""

import json

import pyarrow as pa
import pytest

from graft.catalog import Gates
from graft.registry import Candidate, Registry
from graft.storage import MemoryStore
from tests.graft.registry.packages import BERT, LABELS, METRICS, TEXTS, build_package, save_network


@pytest.fixture(scope="session")
def network(tmp_path_factory):
    table = pa.table({"text": TEXTS})
    return save_network(tmp_path_factory.mktemp("network"), "text-classification", BERT, table)


@pytest.fixture
def make_package(network, tmp_path):
    """Return a function that makes the package of one evaluation with the given rows right or wrong."""

    def make(name, right, hashes=None, trained=("train-row",), target="words", labels=LABELS, **metrics):
        facts = {"target": target, "labels": labels, "train_hashes": trained, "metrics": {**METRICS, **metrics}}
        return build_package(tmp_path / name, network, right, hashes, **facts)

    return make


@pytest.fixture
def registry(tmp_path):
    return Registry(MemoryStore(), tmp_path / "cache")


@pytest.fixture
def candidate():
    """Return a function that makes a candidate of a package folder."""

    def make(folder, test_rows=lambda: pytest.fail("no row was to be read anew"), gates=None, claim=None, **metrics):
        found = {**json.loads((folder / "graft.json").read_text())["metrics"], **metrics}
        return Candidate("words", folder, found, gates or Gates(), test_rows, resamples=300, claim=claim)

    return make
