"""One record of every study in the registry's store: what it was made of, what was expected, what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graft.errors import RegistryError, Transient
from graft.manifest import digest

if TYPE_CHECKING:
    from graft.storage import Store

TRIES = 100  # each lost try means that another run wrote one


def read_records(target: str, store: Store) -> list[dict[str, Any]]:
    """Return the records of a target, oldest first; raises RegistryError for one that is not readable."""
    found = []
    for key in store.list(f"studies/{target}"):
        try:
            found.append(dict(json.loads(store.get(key))))
        except ValueError:
            raise RegistryError(
                f"{key}: not readable as JSON", advice="Remove the object from the registry's store, or restore it."
            ) from None
    return found


def keep_record(target: str, store: Store, record: Mapping[str, Any]) -> str:
    """Write a record after the others, one JSON line, and return its key; raises Transient after many lost tries.

    One that says what the last one says is not written again: a run that changed nothing leaves none.
    """
    for _ in range(TRIES):
        keys = store.list(f"studies/{target}")
        if keys and _same(json.loads(store.get(keys[-1])), record):
            return keys[-1]
        key = f"studies/{target}/{len(keys) + 1:08}.json"
        if store.put_if_absent(key, (json.dumps(record, ensure_ascii=False) + "\n").encode()):
            return key
    raise Transient(f"studies/{target}: {TRIES} others wrote first, or the store does not list what it holds")


def past_gains(records: Sequence[Mapping[str, Any]], metric: str) -> list[float]:
    """Return what earlier retrainings gained of a metric, oldest first."""
    outcomes = [record.get("outcome") or {} for record in records]
    return [one["gain"] for one in outcomes if one.get("metric") == metric and one.get("gain") is not None]


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return digest({key: one.get(key) for key in ("state", "version")}) == digest(
        {key: other.get(key) for key in ("state", "version")}
    )
