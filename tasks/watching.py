"""Watching as a task: look, show, and tell whoever listens for drift."""

from __future__ import annotations

from datetime import date
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import task_run

from graft.catalog import load
from tasks.events import DRIFT_FOUND, tell
from tasks.patience import show_page, show_table
from tasks.reporting import artifact_key


@task(
    task_run_name=lambda: f"{task_run.parameters['target']}: watch, {date.today()}",
    cache_policy=NO_CACHE,
    persist_result=False,
)
def look(target: str, data: str) -> dict[str, Any]:
    """Compare recent inputs with those of the champion, show what was found, and send an event where they drifted."""
    from graft.registry import open_registry
    from graft.watch.page import watch_and_keep

    found, page = watch_and_keep(target, load(), open_registry(), data or None)
    get_run_logger().info("%s %s", found.sentence, page)
    show_table(
        found.table(), key=artifact_key(target, "watch"), description=f"Recent inputs of {target} against its champion"
    )
    show_page(
        f"# {target}: {'drift' if found.drift else 'no drift'}\n\n{found.sentence}\n\nThe page: "
        f"[{page}]({page.resolve().as_uri()}), and in the registry's store under `watches/{target}`.\n",
        key=artifact_key(target, "drift"),
        description=f"Whether the inputs of {target} have drifted",
    )
    if found.drift:
        tell(DRIFT_FOUND, target, sentence=found.sentence, reasons=list(found.reasons), auc=found.features.value)
    return {**found.content(), "page": str(page)}
