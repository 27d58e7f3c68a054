"""What the command line prints: tables, and errors said once."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from graft.errors import GraftError


def complain(error: GraftError) -> None:
    """Print an error's message on standard error, without a traceback: it is about the input, not the program."""
    mark = "\033[31merror\033[0m" if sys.stderr.isatty() else "error"
    print(f"{mark}: {error}", file=sys.stderr)


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
