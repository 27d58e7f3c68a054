"""Thresholds to decide at, set where they cost no test row, and what the test rows say of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from graft.evaluation.arms import Arm
from graft.problems.pairs import faces_of, hold_thresholds, set_thresholds


def read_thresholds(validation: Path, winner: Arm) -> dict[str, float | None]:
    """Return flat keys: the similarity for each false accept rate, and both rates that the packaged model has at it.

    The similarity is that of impostors among rows held out of the winner's trials (validation.parquet of a run), all of
    training identities. None where these are too few for the rate.
    """
    import pyarrow.parquet as pq

    table = pq.read_table(validation, columns=["seed", "fold", "label", "logits"])
    keys = np.stack([np.asarray(table[name]) for name in ("seed", "fold")], axis=1)
    embeddings, persons = table["logits"].to_pylist(), np.asarray(table["label"])
    held = []
    for key in np.unique(keys, axis=0):  # what two trials answer cannot be compared
        rows = np.flatnonzero((keys == key).all(axis=1))
        held.append((np.array([embeddings[row] for row in rows]), persons[rows].tolist()))
    return hold_thresholds(winner.answers[0], faces_of(winner.truths), set_thresholds(held))
