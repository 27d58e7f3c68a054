"""A service that is kept running: its command, how to see that it answers, and what happens when it dies."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from graft.errors import GraftError
from tasks.children import end_guarded, start_guarded

START_SECONDS = 180.0  # a new database takes 25 s on two free cores, and they are not always free
LONGEST_PAUSE = 30.0  # seconds between two starts of a service that keeps dying
STEADY_SECONDS = 10.0  # a service that has run this long begins to count its deaths anew


@dataclass
class Service:
    """A command that is kept running; what it says goes to `log`."""

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    answers: Callable[[], bool] = lambda: True
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    deaths: int = field(default=0, init=False)
    _since: float = field(default=0.0, init=False)
    _due: float = field(default=0.0, init=False)

    def start(self) -> None:
        """Start it without waiting until it answers."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = start_guarded(self.command, stdout=log.fileno(), stderr=log.fileno(), extra=self.environment)
        self._since = time.monotonic()

    def wait(self) -> None:
        """Return once it answers; raises GraftError with the end of its log when it ends or takes too long."""
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
                last = "\n".join(self.log.read_text(errors="replace").splitlines()[-5:])
                raise GraftError(f"{self.name} did not start; the end of {self.log}:\n{last}")
            time.sleep(0.1)

    def keep(self, say: Callable[[str], None]) -> None:
        """Start it again if it has died, after a pause that grows while it keeps dying."""
        now = time.monotonic()
        if self.process is not None:
            if (code := self.process.poll()) is None:
                return
            self.deaths = 1 if now - self._since > STEADY_SECONDS else self.deaths + 1
            self._due = now + min(LONGEST_PAUSE, 0.5 * 2**self.deaths)
            end_guarded(self.process)
            self.process = None
            say(f"{self.name} ended with {code}; it is started again in {self._due - now:.0f} s (see {self.log})")
        if now >= self._due:
            self.start()

    def end(self) -> None:
        """End it and all of its processes."""
        if self.process is not None:
            end_guarded(self.process)
            self.process = None
