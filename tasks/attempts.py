"""When a task is tried again: faults of the surroundings, and once a process that was killed or lost its GPU."""

from __future__ import annotations

from typing import Any

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.logging.loggers import task_run_logger
from prefect.tasks import Task, exponential_backoff

from graft.errors import DeviceLost, Killed, Transient

RETRIES = 3


def is_transient(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Return whether another try may succeed, and say that there is one."""
    error = state.result(raise_on_failure=False)
    once_more = isinstance(error, (Killed, DeviceLost)) and run.run_count <= 1
    if isinstance(error, Transient) or once_more:
        task_run_logger(run, task).warning("%s\nIt is tried again.", str(error).splitlines()[0])
        return True
    return False


TRIED_AGAIN: dict[str, Any] = {
    "retries": RETRIES,
    "retry_delay_seconds": exponential_backoff(backoff_factor=5),
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": is_transient,
    "cache_policy": NO_CACHE,  # DVC decides what there is to do
    "persist_result": False,
}
"""Options of every task that does something."""
