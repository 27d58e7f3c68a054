"""Ranking on real files: checkpoints, data and a registry, as `graft rank` finds them."""

from pathlib import Path

import numpy as np
import pytest

from graft.catalog import load
from graft.errors import CatalogError, CheckpointError, DataError
from graft.ranking.history import Unknown
from graft.ranking.rank import rank_sources
from graft.registry import open_registry
from graft.transferability import SCORES
from tests.graft.ranking.project import write_images, write_project, write_words


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A catalogue with checkpoints, made once; tests that change it copy it."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_project()
    return folder


@pytest.fixture(autouse=True)
def _here(project, tmp_path, monkeypatch):
    import shutil

    shutil.copytree(project, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")


def rank(target="t"):
    return rank_sources(target, load(), open_registry())


def test_every_source_with_a_checkpoint_that_fits_is_scored_and_the_others_are_named(capfd):
    found = rank()
    assert {one.source for one in found.order.ranked} == {"seeing", "other"}
    assert found.rows == 12
    assert found.order.counted == tuple(SCORES)
    assert [one.mean_rank for one in found.order.ranked] == sorted(one.mean_rank for one in found.order.ranked)
    assert all(0 <= one.distance <= 2 for one in found.order.ranked)
    assert [(one.source, one.reason) for one in (*found.order.left_out, *found.left_out)] == [
        ("dead", "the features are the same for every row"),
        ("absent", "not pretrained yet: dvc repro pretrain@absent or graft run t"),
        ("words", "it reads text, the target image"),
    ]
    assert "rank@t: 3/3 sources, dead" in capfd.readouterr().err


def test_without_studies_nothing_is_predicted():
    found = rank()
    assert {one.gain for one in found.order.ranked} == {Unknown("not enough studies yet (0 of 5)")}
    assert found.record == Unknown("not enough studies yet (0 of 5)")
    assert set(found.correlations.values()) == {Unknown("not enough studies yet (0 of 5)")}


def test_test_rows_change_nothing():
    before = rank()
    write_images(Path("data/t/test.parquet"), 20, np.random.default_rng(99))
    assert rank().order == before.order


def test_training_rows_beyond_the_budget_change_nothing():
    """Twelve of thirty rows are the labelled budget; no other label may be looked at."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from graft.problems import PROBLEMS
    from graft.reading import read

    before = rank()
    target = load().target("t")
    kept = read(target.data, PROBLEMS[target.problem]).splits["train"]["row"].to_pylist()
    path = Path("data/t/train.parquet")
    table = pq.read_table(path)
    images = table["image"].to_pylist()
    others = [row for row in range(30) if row + 1 not in kept]
    for shift in range(1, len(others)):  # until none of them is drawn in place of a labelled one
        moved = list(images)
        for place, row in enumerate(others):
            moved[row] = images[others[(place + shift) % len(others)]]
        pq.write_table(table.set_column(0, "image", pa.array(moved)), path)
        if read(target.data, PROBLEMS[target.problem]).splits["train"]["row"].to_pylist() == kept:
            break
    assert read(target.data, PROBLEMS[target.problem]).splits["train"]["row"].to_pylist() == kept
    assert rank().order == before.order


def test_a_damaged_checkpoint_is_named_and_the_others_are_ranked():
    weights = Path("checkpoints/other/model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    found = rank()
    assert [one.source for one in found.order.ranked] == ["seeing"]
    assert any(one.source == "other" and "1 damaged file" in one.reason for one in found.left_out)


def test_a_language_model_is_ranked_without_leep_which_it_cannot_have():
    write_words()
    found = rank("lines")
    assert [one.source for one in found.order.ranked] == ["words"]
    assert found.order.counted == tuple(name for name in SCORES if name != "leep")
    assert 0 <= found.order.ranked[0].distance <= 2
    assert {one.source for one in found.left_out} == {"seeing", "other", "dead", "absent"}


def test_an_unknown_target_is_answered_with_the_nearest():
    with pytest.raises(CatalogError, match="no target 'line'; did you mean 'lines'"):
        rank("line")


def test_a_target_without_any_source_is_told_how_to_make_one():
    with pytest.raises(CheckpointError, match=r"no source can be ranked for 'lines'(.|\n)*dvc repro pretrain@words"):
        rank("lines")


def test_labels_that_no_score_can_read_are_an_error_that_says_why():
    params = Path("params.yaml")
    params.write_text(params.read_text().replace("labels_per_class: 6", "labels_per_class: 1"))
    with pytest.raises(DataError, match="each of the 2 rows has a label of its own"):
        rank()
