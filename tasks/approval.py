"""The Prefect task of a person's decision on a version."""

from __future__ import annotations

from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import task_run

from graft.registry import open_registry
from tasks.patience import show_page
from tasks.reporting import artifact_key


@task(
    task_run_name=lambda: f"{task_run.parameters['reference']}: verify and promote",
    cache_policy=NO_CACHE,
    persist_result=False,
)
def promote_version(reference: str, reason: str, approver: str, force: bool) -> dict[str, Any]:
    """Verify a version, make it champion in a person's name, show that, and return the event."""
    event = open_registry().promote(reference, reason, force, approver)
    said = f"{event.model}@{event.version} is champion: {event.reason} ({event.who})"
    get_run_logger().info(said)
    show_page(said, key=artifact_key(event.model, "promotion"), description=f"Promotion of {reference}")
    return event.model_dump(mode="json")
