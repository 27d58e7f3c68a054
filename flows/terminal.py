"""What the command line prints: tables, and errors said once."""

from __future__ import annotations

import json
import logging
import signal
import sys
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar, TextIO

from graft.errors import GraftError


class Lines(logging.StreamHandler[TextIO]):
    """Prints what our tasks log, and not what Prefect says about them."""

    said: ClassVar[deque[str]] = deque(maxlen=200)

    def filter(self, record: logging.LogRecord) -> bool:
        """Let through what was logged outside of Prefect."""
        return "prefect" not in Path(record.pathname).parts

    def emit(self, record: logging.LogRecord) -> None:
        """Print and remember a line."""
        self.said.append(record.getMessage())
        super().emit(record)


def say(line: str) -> None:
    """Print a line at once, also where nobody sees it for minutes otherwise: a pipe, a log file."""
    print(line, flush=True)


def stop_on_signal() -> None:
    """Let Ctrl-C and SIGTERM end a command; a shell's background job starts with Ctrl-C ignored."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def foreseen(error: GraftError | OSError) -> GraftError | None:
    """Return what to say of an error: itself where it is ours, else of a full disk or a barred path; None of a bug."""
    from graft.manifest import refused

    return error if isinstance(error, GraftError) else refused(error, Path(str(error.filename or ".")))


def complain(error: GraftError) -> None:
    """Print an error's message on standard error, without a traceback: it is about the input, not the program.

    Details that the step itself has just listed are not listed again.
    """
    mark = "\033[31merror\033[0m" if sys.stderr.isatty() else "error"
    headline, *details = str(error).splitlines() or [type(error).__name__]
    unsaid = [line for line in details if line not in Lines.said]
    print("\n".join([f"{mark}: {headline}", *unsaid]), file=sys.stderr)


def print_json(content: Any) -> None:
    """Print plain data as JSON on standard output."""
    print(json.dumps(content, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], right: Sequence[str] = ()) -> None:
    """Print rows under their column names; `right` names the columns of numbers."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else 160).print(table)
