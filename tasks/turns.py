"""One at a time, over all workers of a server: a target's run, and a stage that several targets share.

Each is a global concurrency limit of Prefect's server, held by a lease that the run renews. A run that is killed loses
its turn when the lease ends, after `LEASE_SECONDS` at the most.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.runtime import deployment, flow_run

from tasks.patience import is_away, patiently

LEASE_SECONDS = 60.0  # the shortest that Prefect allows


class Taken(Exception):
    """Another run has the turn."""


@contextmanager
def turn(name: str, wait: bool = True) -> Iterator[None]:
    """Hold a turn for as long as the block runs; with `wait=False` raises Taken where another run has it.

    Only runs of a deployment take turns: those at terminals share a checkout and no server, and have `tasks.alone`.
    """
    if deployment.id is None:
        yield
        return
    patiently(make_limit, name)
    # A run that is started again may find the turn held by what it was before, and waits until that ends or expires.
    held = patiently(take, name, wait or (flow_run.run_count or 1) > 1)
    try:
        yield
    finally:
        let_go(held)


def take(name: str, wait: bool) -> AbstractContextManager[None]:
    """Take a turn and return what holds it; with `wait=False` raises Taken where another run has it."""
    held = concurrency(
        name,
        lease_duration=LEASE_SECONDS,
        max_retries=None if wait else 0,
        strict=True,
        raise_on_lease_renewal_failure=False,  # a server that is gone for a minute stops no training
    )
    try:
        with quiet():
            held.__enter__()
    except Exception as error:
        if is_locked(error):
            raise Taken(name) from error
        raise
    return held


def let_go(held: AbstractContextManager[None]) -> None:
    """Give a turn back; where the server is away just now, its lease ends by itself."""
    try:
        held.__exit__(None, None, None)
    except Exception as error:
        if not is_away(error):
            raise


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Prefect from logging a turn that is taken as an error of its own."""
    logger = logging.getLogger("prefect._internal.concurrency")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def make_limit(name: str) -> None:
    """Make the limit of a turn known to the server."""
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(name, 1)


def turn_of_target(target: str) -> str:
    """Return the turn that a run of a target takes."""
    return f"target {target}"


def turn_of_stage(stage: str) -> str | None:
    """Return the turn that a stage takes; None for one that belongs to a single target, whose run has it already."""
    step, _, name = stage.partition("@")
    return f"stage {stage}" if not name or step in ("check-source", "pretrain") else None


def is_locked(error: BaseException) -> bool:
    """Return whether an acquisition failed because the slot is taken."""
    from httpx import HTTPStatusError

    cause = error.__cause__
    return isinstance(cause, HTTPStatusError) and cause.response.status_code == 423
