"""Running a flow from the command line: a server if there is none, quiet logs, one kind of ending."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from types import FrameType
from typing import Any

from flows.serving import known_server, prepare_environment, temporary_server
from flows.terminal import Lines
from graft.errors import Interrupted

SAVED = "stopped; what was trained so far is saved, and the same command goes on from there"

DRAIN_SECONDS = 5.0


def run_flow(name: str, parameters: Mapping[str, Any]) -> Any:
    """Run `flows/NAME.py`'s flow in this process and return its result; raises the step's own error.

    Uses the server in `PREFECT_API_URL`, or that of `graft up`, else a temporary one.
    """
    prepare_environment()
    # Prefect's own lines say nothing about the work; ours come through `Lines`.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_INTERNAL_LEVEL", "CRITICAL")  # it prints each event that is not delivered
    with ExitStack() as stack:
        stack.enter_context(_stoppable())
        url = known_server()
        if url is None:
            print("starting a temporary Prefect server", file=sys.stderr)
            url = stack.enter_context(temporary_server())
        os.environ["PREFECT_API_URL"] = url  # before Prefect is imported, if the server was there already
        return _call(name, parameters)


def _call(name: str, parameters: Mapping[str, Any]) -> Any:
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    flow = getattr(import_module(f"flows.{name}"), name)
    # The heartbeat is for runs on a worker; at the end of a local run it costs a second of waiting.
    with _lines_on_terminal(), _told(), temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        return flow(**parameters)


@contextmanager
def _told() -> Iterator[None]:
    """Deliver logs and events while the server is there: at the interpreter's end Prefect would try for a minute."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    try:
        yield
    finally:
        with suppress(RuntimeError):  # raised when nothing was ever logged
            APILogWorker.instance().drain()
        EventsWorker.drain_all(timeout=DRAIN_SECONDS)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into Interrupted, after the running step has saved."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Interrupted(SAVED)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(SAVED) from None
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _lines_on_terminal() -> Iterator[None]:
    handler = Lines(sys.stderr)
    loggers = [logging.getLogger("prefect.flow_runs"), logging.getLogger("prefect.task_runs")]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
