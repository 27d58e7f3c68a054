"""Candidate and champion meet on the same rows, and only on rows that are test rows for both."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graft.errors import RegistryError
from graft.manifest import write_manifest
from graft.registry.comparison import pair
from graft.registry.package import load, open_package


def right(grades):
    return grades.earned.ravel().astype(bool).tolist()


def unread():
    raise AssertionError("every row was predicted before")


def test_rows_are_joined_by_what_they_hold_not_by_their_place(make_package):
    candidate = make_package("new", [True, False, True], ["a", "b", "c"])
    champion = make_package("old", [False, True, False, True], ["c", "b", "x", "a"])
    found = pair(open_package(candidate), open_package(champion), unread)
    assert right(found.candidate) == [True, False, True]
    assert right(found.champion) == [True, True, False]
    assert (found.excluded, found.predicted) == (0, 0)


def test_rows_that_either_was_trained_on_are_left_out(make_package):
    candidate = make_package("new", [True] * 4, ["a", "b", "c", "d"], trained=["d"])
    champion = make_package("old", [False] * 4, ["a", "b", "c", "d"], trained=["a", "z"])
    found = pair(open_package(candidate), open_package(champion), unread)
    assert right(found.candidate) == [True, True]
    assert found.excluded == 2


def test_nothing_left_to_compare_is_an_error(make_package):
    candidate = make_package("new", [True], ["a"])
    champion = make_package("old", [True], ["a"], trained=["a"])
    with pytest.raises(RegistryError, match="none of the 1 test rows"):
        pair(open_package(candidate), open_package(champion), unread)


def test_labels_are_compared_by_name(make_package):
    candidate = make_package("new", [True, True], ["a", "b"])
    champion = make_package("old", [True, False], ["a", "b"], labels=("plant", "animal"))
    found = pair(open_package(candidate), open_package(champion), unread)
    assert right(found.champion) == [False, True]


def test_the_champion_predicts_the_rows_it_has_not_met(make_package):
    candidate = make_package("new", [True, False, True], ["a", "b", "c"])
    champion = open_package(make_package("old", [False], ["a"]))
    texts = pa.table({"text": ["unused", "the oak", "the owl", "the cat"], "label": np.zeros(4, np.int64)})
    found = pair(open_package(candidate), champion, lambda: (texts, ["z", "c", "b", "a"]))
    expected = load(champion).probabilities(texts).argmax(axis=1) == 0
    assert found.predicted == 2
    assert right(found.champion) == [False, bool(expected[2]), bool(expected[1])]


def test_rows_that_are_gone_from_the_data_cannot_be_compared(make_package):
    candidate = make_package("new", [True, True], ["a", "b"])
    champion = make_package("old", [True], ["a"])
    with pytest.raises(RegistryError, match="1 test rows of the candidate are no longer"):
        pair(open_package(candidate), open_package(champion), lambda: (pa.table({"text": ["x"]}), ["x"]))


def test_both_are_compared_by_the_metric_that_the_candidate_chose(make_package):
    candidate = make_package("new", [True, False, True], ["a", "b", "c"])
    champion = make_package("old", [True, True, False], ["a", "b", "c"])
    for folder in (candidate, champion):
        told = json.loads((folder / "graft.json").read_text()) | {"metric": "auroc"}
        (folder / "graft.json").write_text(json.dumps(told))
        rows = pq.read_table(folder / "predictions.parquet").to_pylist()
        rows[0] |= {"label": 1, "transfer": [0.2, 0.8] if folder is candidate else [0.95, 0.05]}
        pq.write_table(pa.Table.from_pylist(rows), folder / "predictions.parquet")
        write_manifest(folder)
    found = pair(open_package(candidate), open_package(champion), unread)
    assert (found.candidate.mean, found.champion.mean) == (0.5, 0.0)
    assert found.candidate.rows == 3


def test_a_metric_that_this_version_does_not_know_is_said(make_package):
    folder = make_package("new", [True], ["a"])
    (folder / "graft.json").write_text(
        json.dumps(json.loads((folder / "graft.json").read_text()) | {"metric": "bliss"})
    )
    write_manifest(folder)
    with pytest.raises(RegistryError, match="no metric 'bliss'"):
        pair(open_package(folder), open_package(folder), unread)
