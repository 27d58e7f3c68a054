"""Prefect tasks: one DVC stage, one tracked data file, one publication each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import date
from typing import Any

from prefect import get_run_logger, task
from prefect.runtime import flow_run, task_run

from graft.registry import open_registry
from tasks import pipeline
from tasks.attempts import TRIED_AGAIN
from tasks.events import MODEL_DECIDED, tell
from tasks.pipeline import StageResult
from tasks.reporting import Meter
from tasks.results import decision_headline, read_decision
from tasks.turns import turn, turn_of_stage


def name_stage() -> str:
    """Return a run name a person can read: `digits: adapt, 2026-11-24`."""
    step, _, name = str(task_run.parameters["stage"]).partition("@")
    return f"{name}: {step}, {date.today()}" if name else f"{step}, {date.today()}"


def name_target(verb: str) -> Callable[[], str]:
    """Return the run-name function of a task about one target."""
    return lambda: f"{task_run.parameters['target']}: {verb}, {date.today()}"


@task(task_run_name=name_stage, **TRIED_AGAIN)
def run_stage(stage: str) -> StageResult:
    """Run one DVC stage in a child process, if DVC finds it changed."""
    logger = get_run_logger()
    meter = Meter(stage)
    name = turn_of_stage(stage)
    with turn(name) if name else nullcontext():
        result = pipeline.reproduce(stage, logger.info, meter.mirror)
    meter.finish()
    said = {"ran": "done", "skipped": "unchanged", "restored": "restored from the run cache"}[result.action]
    logger.info("%s: %s, %.1f s", stage, said, result.seconds)
    return result


@task(task_run_name=name_target("claim"), **TRIED_AGAIN)
def claim(target: str) -> int:
    """Take the target's model over for this run and return the number to publish under.

    A run that begins again, after a crash as well, takes a new number: its former self may still be alive.
    """
    taken = open_registry().claim(target, f"{flow_run.name} (run {str(flow_run.id)[:8]}, attempt {flow_run.run_count})")
    get_run_logger().debug("%s: claim %d: %s", target, taken.claim, taken.reason)  # the registry's history says it
    return taken.claim


@task(task_run_name=name_target("data"), **TRIED_AGAIN)
def bring_data(target: str, files: Sequence[str], refresh: bool) -> None:
    """Make tracked data present, from cache or default remote; `refresh` brings the newest of what is imported."""
    for file in files:
        if refresh:
            pipeline.refresh(file, get_run_logger().info)
        pipeline.bring(file, get_run_logger().info)


@task(task_run_name=name_target("publish"), **TRIED_AGAIN)
def publish(target: str, claim: int) -> dict[str, Any]:
    """Register the target's package under the run's claim, ask its gates, and return the decision."""
    pipeline.run_step("publish", target, get_run_logger().info, {"GRAFT_CLAIM": str(claim)})
    decision = read_decision(target)
    if decision["decided"]:
        tell(MODEL_DECIDED, target, sentence=f"{decision_headline(decision)}: {decision['reason']}")
    return decision
