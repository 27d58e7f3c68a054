"""A study of a target as it is now, written down as if it had been made here or elsewhere."""

from datetime import UTC, datetime

from graft.registry import open_registry
from graft.registry.events import Registered
from graft.retraining.records import keep_record
from tasks.deciding import state_of

DAY = "2026-11-24T02:00:00+00:00"


def register(target):
    """Register a version and keep the record of its study, in the registry of the working directory."""
    about = {"model": target, "version": 1, "reason": "evaluated", "who": "a worker", "when": datetime.now(UTC)}
    event = Registered(**about, digest="0" * 64, package=f"models/{target}/0", metrics={"metric": "accuracy"})
    registry = open_registry()
    registry.append(target, lambda state: event)
    record = {"version": f"{target}@1", "when": DAY, "state": state_of(target), "outcome": {}}
    keep_record(target, registry.store, record)
