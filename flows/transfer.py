"""transfer: from raw data to a verdict and a registered model, for one target."""

from __future__ import annotations

from datetime import date
from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from graft.catalog import load
from tasks.pipeline import plan
from tasks.reporting import report
from tasks.stage import bring_data, claim, publish, run_stage


def name_run() -> str:
    """Return a run name a person can read: `digits: transfer, 2026-11-24`."""
    return f"{flow_run.parameters['target']}: transfer, {date.today()}"


@flow(name="transfer", flow_run_name=name_run, persist_result=False)
def transfer(target: str, refresh: bool = False) -> dict[str, Any]:
    """Check, pretrain, adapt, evaluate, ask the gates, register; what is current already is skipped.

    Args:
        target: A target of params.yaml, such as digits.
        refresh: Bring the newest version of imported data first.
    """
    steps = plan(target, load())
    number = claim(target)
    bring_data(target, steps.tracked, refresh)
    for stage in steps.stages:
        run_stage(stage)
    return report(target, publish(target, number))
