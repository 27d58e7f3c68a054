"""One row of facts about a dataset as a whole, and for each fact the rows that made it so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pandas as pd

from graft.checks.identities import count_identities, find_shared
from graft.checks.label_sets import SET, find_one_sided
from graft.checks.transcripts import find_strange
from graft.errors import place_of


@dataclass
class Facts:
    """Values by name, and for each the offending rows with what to say of them."""

    values: dict[str, float] = field(default_factory=dict)
    offenders: dict[str, dict[int, str]] = field(default_factory=dict)

    def add(self, name: str, value: float, offenders: dict[int, str] | None = None) -> None:
        """Note a fact; `offenders` are positions of derived rows with an explanation."""
        self.values[name] = round(float(value), 6)
        self.offenders[name] = offenders or {}


def gather(rows: pd.DataFrame, labels: tuple[str, ...], source: pd.DataFrame | None = None) -> Facts:
    """Return the facts of derived rows; `source` are the derived rows of a target's source."""
    facts = Facts()
    for split, part in rows.groupby("split", sort=False):
        facts.add(f"{split}_rows", len(part))
    good = rows[rows["hash"].notna()]
    _duplicates(facts, good)
    _leaks(facts, good, "leaked_share", good[good["split"] == "train"], "the training row")
    if "gist" in rows:
        _alike(facts, good)
    if "perceptual" in rows:
        _near_duplicates(facts, good)
    if labels and "label" in rows:
        _conflicts(facts, good, "label")
        _balance(facts, rows)
    if SET in rows:
        _conflicts(facts, good, SET)
        facts.add("one_sided_labels", *find_one_sided(rows, labels))
        facts.add("unlabelled_rows", (rows["label_count"] == 0).sum())
    if "transcript" in rows:
        _conflicts(facts, good, "transcript")
        facts.add("strange_characters", *find_strange(rows))
    if "sampling_rate" in rows:
        _rates(facts, good)
    if "identity" in rows:
        _conflicts(facts, good, "identity")
        facts.add("shared_identities", *find_shared(rows))
        for name, count in count_identities(rows):
            facts.add(name, count)
    if "group" in rows:
        _groups(facts, rows)
    if "tokens" in rows:
        facts.add("mean_tokens", rows["tokens"].mean())
        facts.add("unknown_share", rows["unknown"].sum() / max(rows["tokens"].sum(), 1))
    if source is not None:
        _leaks(facts, good, "contaminated_share", source[source["split"] == "train"], "the source's training row")
    return facts


def _share(part: Iterable[int], rows: pd.DataFrame) -> float:
    return len(list(part)) / max(len(rows), 1)


def _duplicates(facts: Facts, rows: pd.DataFrame) -> None:
    """Rows that repeat an earlier row of their split, as a share of that split: the largest over the splits."""
    first = rows.drop_duplicates(["split", "hash"])
    places = {(row["split"], row["hash"]): place_of(row) for row in first.to_dict("records")}
    repeated = rows[rows.duplicated(["split", "hash"])]
    sizes = rows.groupby("split").size()
    share = (repeated.groupby("split").size() / sizes).max() if len(repeated) else 0.0
    found = zip(repeated.index, repeated["split"], repeated["hash"], strict=True)
    facts.add("duplicate_share", share, {index: f"equals {places[split, key]}" for index, split, key in found})


def _leaks(facts: Facts, rows: pd.DataFrame, name: str, training: pd.DataFrame, called: str) -> None:
    """Test rows whose input occurs in `training`."""
    places = {row["hash"]: place_of(row) for row in training.drop_duplicates("hash").to_dict("records")}
    test = rows[rows["split"] == "test"]
    leaked = test[test["hash"].isin(places.keys())]
    offenders = {
        index: f"equals {called} {places[key]}" for index, key in zip(leaked.index, leaked["hash"], strict=True)
    }
    facts.add(name, _share(leaked.index, test), offenders)


def _alike(facts: Facts, rows: pd.DataFrame) -> None:
    """Test texts that equal a training text but for case, spaces and punctuation; those that equal it are leaks."""
    training = rows[(rows["split"] == "train") & rows["gist"].notna()]
    places = {row["gist"]: place_of(row) for row in training.drop_duplicates("gist").to_dict("records")}
    test = rows[rows["split"] == "test"]
    alike = test[test["gist"].isin(places.keys()) & ~test["hash"].isin(training["hash"])]
    found = zip(alike.index, alike["gist"], strict=True)
    facts.add("alike_share", _share(alike.index, test), {index: f"is like {places[key]}" for index, key in found})


def _near_duplicates(facts: Facts, rows: pd.DataFrame) -> None:
    """Images that look like another one (equal perceptual hash) without being the same pixels."""
    unique = rows.drop_duplicates("hash")
    alike = unique[unique.duplicated("perceptual", keep=False)]
    first = unique.drop_duplicates("perceptual")
    places = {row["perceptual"]: place_of(row) for row in first.to_dict("records")}
    repeated = alike[alike.duplicated("perceptual")]
    found = zip(repeated.index, repeated["perceptual"], strict=True)
    facts.add(
        "near_duplicate_share",
        _share(alike.index, rows),
        {index: f"looks like {places[key]}" for index, key in found},
    )


def _rates(facts: Facts, rows: pd.DataFrame) -> None:
    """How many sampling rates there are, and the clips that have another than most."""
    if rows.empty:
        return
    usual = rows["sampling_rate"].mode()[0]
    others = rows[rows["sampling_rate"] != usual]
    found = zip(others.index, others["sampling_rate"], strict=True)
    reasons = {index: f"{rate:.0f} Hz where most have {usual:.0f}" for index, rate in found}
    facts.add("rates", rows["sampling_rate"].nunique(), reasons)


def _conflicts(facts: Facts, rows: pd.DataFrame, answer: str) -> None:
    """Rows whose identical input carries another answer elsewhere."""
    variety = rows.groupby("hash")[answer].transform("nunique")
    conflicts = rows[variety > 1]
    labels = conflicts.groupby("hash")[answer].agg(lambda names: ", ".join(sorted(set(names)))).to_dict()
    several = "identities" if answer == "identity" else f"{answer}s"
    found = zip(conflicts.index, conflicts["hash"], strict=True)
    facts.add(
        "conflict_share",
        _share(conflicts.index, rows),
        {index: f"{several} {labels[key]}" for index, key in found},
    )


def _balance(facts: Facts, rows: pd.DataFrame) -> None:
    """Largest over smallest training class, and rows of classes that training never sees."""
    sizes = rows[rows["split"] == "train"]["label"].value_counts()
    facts.add("imbalance", sizes.max() / sizes.min())
    alone = f"label '{sizes.index[0]}' as every training row"
    facts.add("learned_labels", len(sizes), {int(rows.index[0]): alone} if len(sizes) == 1 else {})
    tested = rows[rows["split"] == "test"]["label"].unique()
    untested = rows[(rows["split"] == "train") & ~rows["label"].isin(tested)].drop_duplicates("label")
    facts.add(
        "untested_labels",
        len(untested),
        {
            index: f"label '{name}' has no test row"
            for index, name in zip(untested.index, untested["label"], strict=True)
        },
    )
    unseen = rows[~rows["label"].isin(sizes.index)]
    found = zip(unseen.index, unseen["label"], strict=True)
    facts.add(
        "unseen_labels",
        unseen["label"].nunique(),
        {index: f"label '{name}' has no training row" for index, name in found},
    )


def _groups(facts: Facts, rows: pd.DataFrame) -> None:
    """Groups with rows both in train and in test."""
    train, test = (rows[rows["split"] == split] for split in ("train", "test"))
    shared = test[test["group"].isin(train["group"].unique())]
    found = zip(shared.index, shared["group"], strict=True)
    facts.add(
        "shared_groups", shared["group"].nunique(), {index: f"group '{name}' is also in train" for index, name in found}
    )
