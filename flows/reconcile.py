"""reconcile: start again, or give up, runs whose process died without a word."""

from __future__ import annotations

from prefect import flow, get_run_logger

from flows import reconciling


@flow(name="reconcile", persist_result=False)
def reconcile() -> list[str]:
    """Look at every run that is not at its end, and mend what is dead."""
    done = reconciling.reconcile()
    for line in done:
        get_run_logger().warning(line)
    return done
