"""retrain: every target that its data, its code or its parameters have made stale; the others are skipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import deployment, flow_run

from flows.transfer import transfer
from flows.workers import attempt_on_workers
from graft.catalog import load
from graft.errors import GraftError
from tasks.patience import show_table


class SomeFailed(GraftError):
    """At least one target of a retraining failed; `rows` says what became of each."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.rows = rows
        failed = [f"  - {row['target']}: {row['error']}" for row in rows if "error" in row]
        super().__init__("\n".join([f"{len(failed)} of {len(rows)} target(s) failed", *failed]))


def name_run() -> str:
    """Return a run name a person can read: `all targets: retrain, 2026-11-24`."""
    return f"{', '.join(flow_run.parameters['targets']) or 'all targets'}: retrain, {date.today()}"


@flow(name="retrain", flow_run_name=name_run, persist_result=False)
def retrain(targets: list[str] = []) -> list[dict[str, Any]]:  # noqa: B006 -- the form's default, never changed
    """Refresh imported data, run what is stale, skip what is not; one failing target stops no other.

    A deployed run hands each target to the workers of the server as a run of its own and waits for them.

    Args:
        targets: Targets of params.yaml; none means all of them.
    """
    names = known_targets(targets)
    return summarise([attempt(name) for name in names] if deployment.id is None else attempt_on_workers(names))


def attempt(name: str) -> dict[str, Any]:
    """Run one target's transfer and return its summary, or its name with the error that ended it."""
    result = transfer(name, refresh=True, decide=True, return_state=True).result(raise_on_failure=False)
    return {"target": name, "error": str(result)} if isinstance(result, BaseException) else dict(result)


def known_targets(names: Sequence[str]) -> list[str]:
    """Return the names, all of the catalogue's when none is given; raises CatalogError for an unknown one."""
    catalog = load()
    for name in names:
        catalog.target(name)
    return list(names or catalog.targets)


@task(name="summarise", task_run_name="summary", cache_policy=NO_CACHE, persist_result=False)
def summarise(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Show what became of every target; raises SomeFailed when one failed."""
    keys = ("target", "verdict", "gain", "version", "sentence", "model", "reason", "error")
    table = [{key: str(row.get(key, "")) for key in keys} for row in rows]
    show_table(table, key="retrain-summary", description="What became of every target")
    if any("error" in row for row in rows):
        raise SomeFailed(rows)
    return rows
