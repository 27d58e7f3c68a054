"""graft up."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from flows.pools import GPU, LIGHT
from flows.serving import POINTER, PREFECT, prepare_environment, running_here, serving
from flows.terminal import say, stop_on_signal
from graft.errors import BadInput, GraftError
from tasks.children import end_guarded, start_guarded


def up(port: int) -> None:
    """Run server, pools, deployments and workers until Ctrl-C or SIGTERM; nothing outlives this call."""
    refuse_taken(port)
    prepare_environment()
    stop_on_signal()
    say("starting the server")
    with suppress(KeyboardInterrupt), serving(port, dashboard=True) as url, pointed_to(url):
        from flows.deploying import deploy_all

        deploy_all(lambda line: None)
        with worker(GPU, "1") as one, worker(LIGHT, "8") as other:
            announce(url)
            while one.poll() is None and other.poll() is None:
                time.sleep(0.5)
        raise GraftError("a worker ended by itself; see what it said above")
    say("ended")


def refuse_taken(port: int) -> None:
    """Raise BadInput when somebody listens on the port, naming a `graft up` of this checkout as such."""
    if url := running_here():
        raise BadInput(
            f"`graft up` runs in this checkout already, at {url.removesuffix('/api')}", advice="Use that one."
        )
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the last server's closed connections do not count
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise BadInput(
                f"port {port} of this machine cannot be used: {error.strerror or error}",
                advice=f"Name another: `graft up --port {port + 1 if port < 65535 else 4200}`.",
            ) from None


@contextmanager
def pointed_to(url: str, login: str = "") -> Iterator[None]:
    """Let Prefect's own commands in this checkout find the server, and get in, for as long as it runs."""
    lines = ["# written by `graft up`, which removes it when it ends", "[api]", f'url = "{url}"']
    lines += [f'auth_string = "{login}"'] if login else []
    POINTER.unlink(missing_ok=True)
    POINTER.touch(mode=0o600)
    POINTER.write_text("\n".join([*lines, ""]))
    try:
        yield
    finally:
        POINTER.unlink(missing_ok=True)


@contextmanager
def worker(pool: str, limit: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run one worker of a pool; runs of the pool `gpu` come one at a time, because they share this checkout."""
    origin = {"GRAFT_ORIGIN": str(Path.cwd())}
    process = start_guarded(
        [*PREFECT, "worker", "start", "--pool", pool, "--type", "process", "--limit", limit], extra=origin
    )
    try:
        yield process
    finally:
        end_guarded(process)


def announce(url: str) -> None:
    """Say where the dashboard is and what to do next."""
    say(f"dashboard  {url.removesuffix('/api')}")
    say("run        prefect deployment run 'transfer/transfer' -p target=digits")
    say("end        Ctrl-C")
