"""Identities before any training: on one side only, enough of them, and enough images of each."""

import pyarrow as pa

from graft.catalog import Checks
from graft.checks.check import check
from graft.checks.facts import gather
from graft.checks.rows import derive
from graft.problems import PROBLEMS
from graft.reading import Dataset
from tests.faces import face_rows

FACES = PROBLEMS["face-verification"]


def part(name, *parts):
    """Return a canonical table of (people, pictures each, first number)."""
    rows = [
        row for seed, (people, each, first) in enumerate(parts) for row in face_rows(people, each, seed + first, first)
    ]
    places = {"file": [f"{name}.parquet"] * len(rows), "row": [*range(1, len(rows) + 1)]}
    table = pa.Table.from_pylist(rows)
    for column, values in places.items():
        table = table.append_column(column, pa.array(values))
    return table


def test_what_is_wrong_with_identities_is_counted_and_named():
    dataset = Dataset(
        {"train": part("train", (3, 2, 0), (1, 1, 5)), "test": part("test", (1, 2, 2), (1, 1, 9))}, (), ""
    )
    rows = derive(dataset, FACES)
    facts = gather(rows, ())
    assert facts.values["shared_identities"] == 1
    assert facts.offenders["shared_identities"] == {
        7: "identity 'p02' is also in train", 8: "identity 'p02' is also in train",
    }  # fmt: skip
    assert (facts.values["training_identities"], facts.values["comparable_identities"]) == (4, 1)
    found = check("t", "target", dataset, FACES, Checks())
    named = {entry["name"]: entry for entry in found.summary["expectations"]}
    assert {entry["name"] for entry in found.failed} == {"identities", "comparable"}
    assert [row["row"] for row in named["images"]["rows"]] == [7, 3]
    assert not named["images"]["success"]
    assert named["people"]["success"]


def test_one_picture_under_two_identities_is_a_conflict():
    table = part("train", (4, 2, 0))
    cells, who = table["image"].to_pylist(), table["identity"].to_pylist()
    cells[2] = cells[0]
    table = table.set_column(0, "image", pa.array(cells))
    facts = gather(derive(Dataset({"train": table, "test": part("test", (2, 2, 7))}, (), ""), FACES), ())
    assert facts.values["conflict_share"] > 0
    assert facts.offenders["conflict_share"][0] == f"identities {who[0]}, {who[2]}"
