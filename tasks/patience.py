"""Prefect's server may be away for a minute: what tells it something waits, what only decorates does without."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from httpx import HTTPStatusError, TransportError
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from graft.errors import Transient

PATIENCE_SECONDS = 180.0
PAUSES = (0.5, 1.0, 2.0, 5.0)  # seconds; the last again and again

P = ParamSpec("P")
T = TypeVar("T")
log = logging.getLogger(__name__)


def patiently(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a call returns, asking again while the server is away; raises Transient if it stays away."""
    deadline, tries = time.monotonic() + PATIENCE_SECONDS, 0
    while True:
        try:
            return call(*args, **kwargs)
        except Exception as error:
            if not is_away(error):
                raise
            if time.monotonic() > deadline:
                raise Transient(f"Prefect's server does not answer for {PATIENCE_SECONDS:.0f} s: {error}") from error
            if not tries:
                log.warning("Prefect's server does not answer; asking again")
        time.sleep(PAUSES[min(tries, len(PAUSES) - 1)])
        tries += 1


def is_away(error: BaseException | None) -> bool:
    """Return whether an error, or what it came from, says that the server is not there or not itself."""
    while error is not None:
        if isinstance(error, TransportError):
            return True
        if isinstance(error, HTTPStatusError):
            return error.response.status_code >= 500
        error = error.__cause__
    return False


def show_table(rows: list[dict[str, Any]], key: str, description: str) -> None:
    """Show rows as a table of the running flow or task."""
    patiently(create_table_artifact, rows, key=key, description=description)


def show_page(markdown: str, key: str, description: str) -> None:
    """Show a page of markdown with the running flow or task."""
    patiently(create_markdown_artifact, markdown, key=key, description=description)
