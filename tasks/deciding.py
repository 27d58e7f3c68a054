"""Retraining that decides, as tasks: is anything changed, is it worth it, what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from prefect import get_run_logger, task
from prefect.runtime import task_run

from graft.catalog import load
from graft.registry import open_registry
from graft.retraining import wording
from graft.retraining.estimate import Choice, Estimate, estimate, last_version
from graft.retraining.outcome import make_record
from graft.retraining.records import keep_record, read_records
from graft.retraining.state import State, compare_states, read_state
from tasks.attempts import TRIED_AGAIN
from tasks.patience import show_page
from tasks.pipeline import code_of, plan, stale
from tasks.reporting import artifact_key
from tasks.results import read_metrics
from tasks.shifts import changed_shifts


def _name(verb: str) -> Any:
    return lambda: f"{task_run.parameters['target']}: {verb}, {date.today()}"


@task(task_run_name=_name("look for changes"), **TRIED_AGAIN)
def find_unchanged(target: str) -> str | None:
    """Return why there is nothing to do for a target, and show it; None where something has changed.

    The last study of the registry counts, on whatever machine it ran; where none is recorded, what DVC says here.
    """
    registry = open_registry()
    version, records = last_version(target, registry), read_records(target, registry.store)
    if version is None:
        return None
    if not records:
        if stale(plan(target, load()).stages) or changed_shifts(target, load()):
            return None
        return show_skip(target, wording.unchanged(version.when.isoformat()))
    if compare_states(records[-1]["state"], state_of(target)):
        return None
    return show_skip(target, wording.unchanged(records[-1]["when"]))


@task(task_run_name=_name("estimate"), **TRIED_AGAIN)
def foresee(target: str, by_hand: bool) -> Estimate:
    """Estimate what a training should bring and cost, choose, and write both on the run."""
    found = estimate(target, load(), open_registry(), state_of(target), by_hand)
    get_run_logger().info("%s: %s", target, wording.headline(found))
    _show(target, wording.page(found))
    return found


@task(task_run_name=_name("settle"), **TRIED_AGAIN)
def settle(target: str, found: Estimate, decision: Mapping[str, Any]) -> None:
    """Record what came of a study beside what was expected, and show it."""
    record = make_record(found, read_metrics(target), decision)
    keep_record(target, open_registry().store, record)
    if record["new"] and found.last:
        get_run_logger().info("%s: %s", target, wording.compared(found, record))
        _show(target, wording.page(found, record))


def show_skip(target: str, reason: str) -> str:
    """Write on the run why a target is skipped, and return the reason."""
    get_run_logger().info("%s: %s", target, reason)
    _show(target, f"# {target}: skipped\n\n{reason}.\n")
    return reason


def untrained(target: str, why: str, choice: Choice = "skip") -> dict[str, Any]:
    """Return the summary of a target that was not trained."""
    return {"target": target, "choice": choice, "reason": why, "sentence": why, "model": ""}


def state_of(target: str) -> State:
    """Return what a target is made of in this checkout."""
    return read_state(target, load(), *code_of(("check-source", "check-target", "pretrain", "adapt"), ("evaluate",)))


def _show(target: str, text: str) -> None:
    show_page(text, key=artifact_key(target, "estimate"), description=f"Whether {target} is worth a retraining")
