"""graft up --team."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

from flows.commands.up import pointed_to, refuse_taken
from flows.service import Service
from flows.serving import prepare_environment, team_marker
from flows.team.stack import Database, Stack, ended_at_last
from flows.terminal import say, stop_on_signal
from graft.errors import BadInput
from graft.manifest import write_whole
from graft.settings import settings

RECONCILE_SECONDS = 30.0


def up_team(port: int, workers: int, database: Database, store: str) -> None:
    """Run a team's whole stack until Ctrl-C or SIGTERM; what dies is started again, and nothing outlives this call."""
    refuse_taken(port)
    origin = Path.cwd()
    require_commit(origin)
    prepare_environment()
    stop_on_signal()
    stack = Stack(origin, settings().work.absolute() / "team", port, workers, database, store)
    services = stack.services()
    with suppress(KeyboardInterrupt), ended_at_last(services):
        os.environ.update(stack.access())  # before Prefect is imported
        for service in services:
            say(f"starting {service.name}")
            service.start()
            service.wait()
            if service.name == "server":
                from flows.deploying import deploy_all

                deploy_all(say)
        with pointed_to(stack.url, stack.secrets.server), known_as_team(stack):
            announce(stack)
            keep_running(services)
    say("ended")


def keep_running(services: Sequence[Service]) -> None:
    """Start again what dies, and tidy up after runs whose machine died, until Ctrl-C."""
    # Beside, since a question to a server that has just died waits for it, and nobody would start it again.
    Thread(target=tidy_up, daemon=True).start()
    while True:
        for service in services:
            service.keep(say)
        time.sleep(0.5)


def tidy_up() -> None:
    """Start again, or give up, runs that died, now and then, for ever."""
    from flows.reconciling import reconcile

    while True:
        try:
            for line in reconcile():
                say(line)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the next look comes
            say(f"the reconciler could not look: {type(error).__name__}: {error}")
        time.sleep(RECONCILE_SECONDS)


def require_commit(origin: Path) -> None:
    """Raise BadInput where runs could not be cloned from; say what they will not see."""
    git = shutil.which("git")
    if (
        git is None
        or subprocess.run([git, "rev-parse", "HEAD"], cwd=origin, capture_output=True, check=False).returncode
    ):
        raise BadInput(
            f"{origin}: no git commit here, and each run of the team's workers is a clone of one",
            advice="`git init`, `git add` and `git commit`, then try again; or `graft up` for one person's runs.",
        )
    command = [git, "status", "--porcelain", "--untracked-files=no"]
    if changed := subprocess.run(command, cwd=origin, capture_output=True, text=True, check=False).stdout.splitlines():
        say(f"{len(changed)} changed file(s) are not committed: runs of the workers will not see them")


@contextmanager
def known_as_team(stack: Stack) -> Iterator[None]:
    """Let `graft retrain` in this checkout leave its work to the workers, for as long as they are there."""
    write_whole(team_marker(), stack.url)
    try:
        yield
    finally:
        team_marker().unlink(missing_ok=True)


def announce(stack: Stack) -> None:
    """Say where the dashboard is, how to get in, and what to do next."""
    say(f"dashboard  {stack.url.removesuffix('/api')}")
    say(f"login      `server` in {stack.folder / 'secrets.json'}, which only you can read")
    say("run        graft retrain, in another terminal")
    say("end        Ctrl-C")
