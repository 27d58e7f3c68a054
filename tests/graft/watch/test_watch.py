"""Watching the champion of a tiny registry: what is drift, what is not, what cannot be compared."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from graft.catalog import Catalog
from graft.errors import BadInput, DataError, RegistryError
from graft.problems import PROBLEMS
from graft.reading import MEDIA, row_hashes
from graft.registry import Registry, publish
from graft.registry.publication import Candidate
from graft.storage import MemoryStore
from graft.watch.page import keep, last_finding, render
from graft.watch.watch import watch
from tests.graft.registry.packages import BERT, METRICS, RESNET, build_package, save_network

IMAGES, TEXTS = "image-classification", "text-classification"
ROWS = 100


def png(seed, low=0, high=200, side=12):
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(low, high, (side, side), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def pictures(folder, seeds, **given):
    folder.mkdir(parents=True)
    for seed in seeds:
        (folder / f"{seed}.png").write_bytes(png(seed, **given))
    return str(folder)


def entry(problem, path, **given):
    return {"source": "s", "problem": problem, "data": {"path": str(path)}, "study": {}, **given}


def make_registry(folder, problem, config, table, name):
    """Publish a random network that was `trained` on the first 30 rows."""
    network = save_network(folder / "network", problem, config, table)
    trained = row_hashes(table.slice(0, 30), PROBLEMS[problem])
    package = build_package(
        folder / "package", network, [True] * (table.num_rows - 30), row_hashes(table.slice(30), PROBLEMS[problem]),
        problem, table, target=name, train_hashes=trained,
    )  # fmt: skip
    registry = Registry(MemoryStore(), folder / "cache")
    from graft.catalog import Gates

    publish(registry, Candidate(name, package, METRICS, Gates(), lambda: pytest.fail("no champion")))
    return registry


def make_catalog(problem, path, name, **given):
    source = {"problem": problem, "data": {"path": str(path)}, "backbone": {"config": {"model_type": "bert"}}}
    return Catalog.model_validate({"sources": {"s": source}, "targets": {name: entry(problem, path, **given)}})


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    table = MEDIA["image"].table([png(seed) for seed in range(ROWS)])
    table = table.append_column("label", pa.array([seed % 2 for seed in range(ROWS)]))
    path = folder / "scans.parquet"
    pq.write_table(table.append_column("split", pa.array(["train"] * 30 + ["test"] * 70)), path)
    return make_registry(folder, IMAGES, RESNET, table, "scans"), make_catalog(IMAGES, path, "scans")


def test_inputs_as_ever_are_no_drift(scans, tmp_path):
    registry, catalog = scans
    found = watch("scans", catalog, registry, pictures(tmp_path / "new", range(1000, 1080)))
    assert not found.drift
    assert found.rows == {"trained": 30, "held": 70, "recent": 80, "known": 0}
    assert found.features.low < 0.5 < found.features.high
    assert found.champion == "scans@1"
    assert found.sentence.startswith("No drift: recent inputs are told from those of then with an AUC of 0.")
    assert {row["what"] for row in found.table()} >= {"frozen features", "predicted labels", "brightness", "width"}


def test_brighter_inputs_are_drift_of_the_features_and_of_the_brightness(scans, tmp_path):
    registry, catalog = scans
    found = watch("scans", catalog, registry, pictures(tmp_path / "new", range(2000, 2060), low=80))
    assert found.drift
    assert found.features.value > 0.95
    assert any("a classifier tells recent inputs" in reason for reason in found.reasons)
    assert any(reason.startswith("brightness: PSI") for reason in found.reasons)
    drifted = {row["what"] for row in found.table() if row["drift"] == "yes"}
    assert "width" not in drifted


def test_larger_inputs_are_drift_of_their_size(scans, tmp_path):
    registry, catalog = scans
    found = watch("scans", catalog, registry, pictures(tmp_path / "new", range(1000, 1060), side=24))
    drifted = {row["what"] for row in found.table() if row["drift"] == "yes"}
    assert {"width", "height"} <= drifted


def test_rows_that_the_champion_has_met_are_left_out(scans, tmp_path):
    registry, catalog = scans
    found = watch("scans", catalog, registry, pictures(tmp_path / "new", [*range(25, 35), *range(1000, 1040)]))
    assert found.rows["known"] == 10
    assert found.rows["recent"] == 40


def test_too_few_rows_are_said_with_all_of_their_places(scans, tmp_path):
    registry, catalog = scans
    with pytest.raises(BadInput, match=r"too few rows") as refusal:
        watch("scans", catalog, registry, pictures(tmp_path / "new", [*range(5), *range(1000, 1010)]))
    assert len(refusal.value.problems) == 1
    assert "without 5 row(s) that the champion has met: 10 row(s), expected at least 20" in refusal.value.problems[0]


def test_every_input_that_cannot_be_read_is_named(scans, tmp_path):
    registry, catalog = scans
    path = pictures(tmp_path / "new", range(1000, 1030))
    for name in ("a.png", "b.png"):
        (tmp_path / "new" / name).write_bytes(b"no picture")
    with pytest.raises(DataError) as refusal:
        watch("scans", catalog, registry, path)
    assert len(refusal.value.problems) == 2
    assert "a.png" in str(refusal.value)
    assert "b.png" in str(refusal.value)


def test_no_data_and_no_champion_are_one_message_each(scans, tmp_path):
    registry, catalog = scans
    with pytest.raises(BadInput, match=r"(?s)no recent inputs are named.*--data PATH.*targets.scans.watch.data"):
        watch("scans", catalog, registry)
    with pytest.raises(RegistryError, match="no model 'scans'"):
        watch("scans", catalog, Registry(MemoryStore(), tmp_path), "somewhere")


def test_thresholds_and_the_path_are_those_of_the_catalogue(scans, tmp_path):
    registry, catalog = scans
    path = pictures(tmp_path / "new", range(2000, 2060), low=80)
    target = catalog.targets["scans"]
    asked = target.watch.model_copy(update={"data": path, "max_auc": 1.0, "max_psi": 50.0})
    lax = catalog.model_copy(update={"targets": {"scans": target.model_copy(update={"watch": asked})}})
    assert not watch("scans", lax, registry).drift


def test_the_finding_is_kept_here_and_in_the_store_and_the_newest_is_found(scans, tmp_path, monkeypatch):
    registry, catalog = scans
    monkeypatch.chdir(tmp_path)
    store = MemoryStore()
    assert last_finding("scans", store) is None
    found = watch("scans", catalog, registry, pictures(tmp_path / "new", range(2000, 2060), low=80))
    page = keep(found, store)
    assert page.read_text() == render(found)
    assert last_finding("scans", store) == json.loads((page.parent / "watch.json").read_text())
    later = {**found.content(), "when": "2999-01-01T00:00:00+00:00"}
    store.put("watches/scans/2999-01-01T000000.json", json.dumps(later).encode())
    assert last_finding("scans", store)["when"].startswith("2999")


def test_the_page_needs_nothing_from_elsewhere_and_escapes_what_users_wrote(scans, tmp_path):
    registry, catalog = scans
    found = watch("scans", catalog, registry, pictures(tmp_path / "a<b>", range(2000, 2060), low=80))
    page = render(found)
    assert "http" not in page.replace("http-equiv", "")
    assert "a<b>" not in page
    assert "a&lt;b&gt;" in page


def test_longer_texts_of_other_words_are_drift(tmp_path):
    words = ["cat", "oak", "dog", "fern", "owl", "rose"]
    rng = np.random.default_rng(0)
    texts = [f"the {' '.join(rng.choice(words, 1 + row % 4))} number {row}" for row in range(ROWS)]
    table = pa.table({"text": texts, "label": pa.array([row % 2 for row in range(ROWS)])})
    path = tmp_path / "words.parquet"
    pq.write_table(table.append_column("split", pa.array(["train"] * 30 + ["test"] * 70)), path)
    registry = make_registry(tmp_path, TEXTS, BERT, table, "words")
    catalog = make_catalog(TEXTS, path, "words")
    same, other = tmp_path / "same.csv", tmp_path / "other.csv"
    same.write_text("text\n" + "".join(f"the {' '.join(rng.choice(words, 1 + n % 4))} number {n}\n" for n in range(60)))
    other.write_text("text\n" + "".join(f"{n} zebras zigzag in a quiet zone of jazz and fizz\n" for n in range(60)))
    calm, moved = (watch("words", catalog, registry, str(file)) for file in (same, other))
    assert not calm.drift
    assert moved.drift
    assert {"characters", "words"} <= {row["what"] for row in moved.table() if row["drift"] == "yes"}
