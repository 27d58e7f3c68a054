"""watch: whether recent inputs of a target are still those that its champion was made with."""

from __future__ import annotations

from datetime import date
from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from flows.checkout import occupied
from graft.catalog import load
from tasks.pipeline import plan, tracking_file
from tasks.stage import bring_data, run_stage
from tasks.watching import look


def name_run() -> str:
    """Return a run name a person can read: `digits: watch, 2026-11-24`."""
    return f"{flow_run.parameters['target']}: watch, {date.today()}"


@flow(name="watch", flow_run_name=name_run, persist_result=False)
def watch(target: str, data: str = "") -> dict[str, Any]:
    """Hold recent inputs against those of the champion; where they have drifted an event starts a retraining.

    Args:
        target: A target of params.yaml, such as digits.
        data: Recent inputs without labels: a folder or file. Empty for what the catalogue names.
    """
    with occupied():
        return run(target, data)


def run(target: str, data: str) -> dict[str, Any]:
    """Bring both sets of rows and compare them."""
    catalog = load()
    steps, recent = plan(target, catalog), data or catalog.target(target).watch.data or ""
    bring_data(target, steps.tracked, refresh=False)
    bring_data(target, [str(file)] if (file := tracking_file(recent)) else [], refresh=True)
    for stage in steps.builders:
        run_stage(stage)
    return look(target, recent)
