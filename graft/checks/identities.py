"""What is looked at in the identities of rows, and what is expected of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from graft.checks.rule import Rule

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 4  # training identities: two for each of two folds, or there is nothing to compare


def describe_identities(names: Sequence[str]) -> dict[str, Sequence[Any]]:
    """Return the identities of a split's rows, and how many rows each of them has there."""
    from collections import Counter

    counts = Counter(names)
    return {"identity": names, "images": [counts[name] for name in names]}


def find_shared(rows: pd.DataFrame) -> tuple[int, dict[int, str]]:
    """Return how many identities are both in train and in test, and the test rows of these."""
    train, test = (rows[rows["split"] == split] for split in ("train", "test"))
    shared = test[test["identity"].isin(train["identity"].unique())]
    found = zip(shared.index, shared["identity"], strict=True)
    return shared["identity"].nunique(), {index: f"identity '{name}' is also in train" for index, name in found}


def count_identities(rows: pd.DataFrame) -> Iterable[tuple[str, int]]:
    """Yield facts: training identities, and those that have several images, of whichever split has the fewest."""
    yield "training_identities", rows[rows["split"] == "train"]["identity"].nunique()
    several = rows[rows["images"] > 1].groupby("split")["identity"].nunique()
    yield "comparable_identities", min(int(several.get(split, 0)) for split in rows["split"].unique())


def identity_rules() -> list[Rule]:
    """Return what is expected of identities."""
    return [
        Rule("identities", "No identity is both in train and in test", "facts", "shared_identities", "error", high=0),
        Rule("people", "Identities in train", "facts", "training_identities", "error", low=FEWEST),
        Rule(
            "comparable",
            "Identities of two images and more, in every split",
            "facts",
            "comparable_identities",
            "error",
            low=2,
        ),
        Rule("images", "Every identity has two images and more in its split", "rows", "images", "warning", low=2),
    ]
