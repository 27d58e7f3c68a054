"""promote: a person makes a version champion, from a form in the dashboard."""

from __future__ import annotations

from datetime import date
from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from tasks.approval import promote_version


def name_run() -> str:
    """Return a run name a person can read: `digits@3: promote, 2026-11-24`."""
    return f"{flow_run.parameters['model']}: promote, {date.today()}"


@flow(name="promote", flow_run_name=name_run, persist_result=False)
def promote(model: str, reason: str, approver: str, force: bool = False) -> dict[str, Any]:
    """Approve a version that awaits it, or promote any other by your own decision; its package must verify.

    Args:
        model: A version, such as digits@3 or digits@challenger.
        reason: Why; it stays in the history.
        approver: Your name; it stays in the history.
        force: Overrule the verdict `hurts`.
    """
    return promote_version(model, reason, approver, force)
