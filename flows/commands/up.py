"""graft up."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from flows.serving import POINTER, prepare_environment, running_here, serving
from graft.errors import BadInput, GraftError
from graft.manifest import write_whole
from tasks.children import end_guarded, environment, start_guarded

PREFECT = (sys.executable, "-m", "prefect", "--no-prompt")
POOL = "gpu"


def up(port: int) -> None:
    """Run server, pool, deployments and one worker until Ctrl-C or SIGTERM; nothing outlives this call."""
    refuse_taken(port)
    prepare_environment()
    for number in (signal.SIGTERM, signal.SIGINT):  # a shell's background job starts with Ctrl-C ignored
        signal.signal(number, _stop)
    print("starting the server", flush=True)
    with suppress(KeyboardInterrupt), serving(port, dashboard=True) as url, pointed_to(url):
        make_pool()
        with worker() as process:
            deploy()
            announce(url)
            while process.poll() is None:
                time.sleep(0.5)
        raise GraftError(f"the worker ended with exit code {process.returncode}; see what it said above")
    print("ended")


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
def pointed_to(url: str) -> Iterator[None]:
    """Let Prefect's own commands in this checkout find the server, for as long as it runs."""
    write_whole(POINTER, f'# written by `graft up`, which removes it when it ends\n[api]\nurl = "{url}"\n')
    try:
        yield
    finally:
        POINTER.unlink(missing_ok=True)


def make_pool() -> None:
    """Make the process pool known to the server, if it is not."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.workers.process import ProcessWorker

    template = ProcessWorker.get_default_base_job_template()
    pool = WorkPoolCreate(name=POOL, type=ProcessWorker.type, base_job_template=template)
    with get_client(sync_client=True) as client:
        client.create_work_pool(pool, overwrite=True)


def deploy() -> None:
    """Make everything in prefect.yaml known to the server."""
    command = [*PREFECT, "deploy", "--all"]
    result = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    if result.returncode:
        raise GraftError(f"`prefect deploy --all` failed:\n{result.stdout}{result.stderr}")


@contextmanager
def worker() -> Iterator[subprocess.Popen[bytes]]:
    """Run one worker; one flow run at a time, because runs share this checkout."""
    process = start_guarded([*PREFECT, "worker", "start", "--pool", POOL, "--type", "process", "--limit", "1"])
    try:
        yield process
    finally:
        end_guarded(process)


def announce(url: str) -> None:
    """Say where the dashboard is and what to do next."""
    print(f"dashboard  {url.removesuffix('/api')}")
    print("run        prefect deployment run 'transfer/transfer' -p target=digits")
    print("end        Ctrl-C", flush=True)


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
