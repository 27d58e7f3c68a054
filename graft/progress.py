"""Progress of long work: a bar on a terminal, one line per interval in a log, a small file for whoever watches."""

import json
import sys
import time
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from graft.manifest import write_whole
from graft.settings import settings


class Progress:
    """Counts work done and says so where it is read; use as a context manager.

    The file `.graft/progress/STAGE.json` holds stage, done, total, message; it is replaced at most twice
    a second so that a watcher can mirror it without slowing the work.
    """

    def __init__(self, stage: str, total: int, unit: str = "steps") -> None:
        self.stage, self.total, self.unit = stage, total, unit
        self._path = settings().work / "progress" / f"{stage}.json"
        self._started = self._written = self._logged = time.monotonic()
        self._bar: Bar | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Bar(*columns, TextColumn("{task.fields[message]}"), console=Console(stderr=True))
            self._bar.start()
            self._task = self._bar.add_task(self.stage, total=self.total, message="")
        return self

    def update(self, done: int, message: str = "") -> None:
        """Report that `done` of the total are done; cheap enough for every step."""
        now = time.monotonic()
        finished = done >= self.total
        if self._bar is not None:
            self._bar.update(self._task, completed=done, message=message)
        elif finished or now - self._logged >= settings().log_seconds:
            seconds = now - self._started
            print(
                f"{self.stage}: {done}/{self.total} {self.unit}, {message}, {seconds:.0f} s",
                file=sys.stderr,
                flush=True,
            )
            self._logged = now
        if finished or now - self._written >= 0.5:
            state = {"stage": self.stage, "done": done, "total": self.total, "message": message}
            write_whole(self._path, json.dumps(state))
            self._written = now

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
