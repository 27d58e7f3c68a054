"""Prefect's server: the one that is there, or one of our own that ends with us."""

from __future__ import annotations

import os
import socket
import sys
import threading
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from flows.service import Service
from graft.errors import BadInput, Transient
from graft.settings import settings

POINTER = Path("prefect.toml")
PREFECT = (sys.executable, "-m", "prefect", "--no-prompt")
WATCH_SECONDS = 0.5  # between two looks whether a server of ours is there


def prepare_environment() -> None:
    """Give Prefect, before it is imported, a home in this checkout and nothing to tell anybody."""
    os.environ.setdefault("PREFECT_HOME", str((settings().work / "prefect").absolute()))
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)


def known_server() -> str | None:
    """Return the API address of the server to use: `PREFECT_API_URL`, or that of a running `graft up`.

    Raises Transient when the server that the environment names does not answer. An address that an ended
    `graft up` left behind is passed over.
    """
    if named := os.environ.get("PREFECT_API_URL"):
        if not answers(named):
            raise Transient(
                f"PREFECT_API_URL names {named}, which does not answer. "
                "Start it with `graft up`, or unset PREFECT_API_URL to run with a server of our own."
            )
        return named
    return running_here()


def running_here() -> str | None:
    """Return the API address that `graft up` left in prefect.toml, if its server answers."""
    try:
        url = tomllib.loads(POINTER.read_text()).get("api", {}).get("url")
    except (FileNotFoundError, tomllib.TOMLDecodeError):
        return None
    return str(url) if url and answers(str(url)) else None


def team_runs_here() -> bool:
    """Return whether a `graft up --team` of this checkout is up, whose workers do what there is to do."""
    return team_marker().exists() and running_here() is not None


def team_marker() -> Path:
    """Return the file that says that the server here has workers of a team."""
    return settings().work / "team" / "running"


def speak_to_server() -> str:
    """Make Prefect, which is not imported yet, speak to the server of the environment or of a running `graft up` here.

    Returns its address; raises BadInput where there is none.
    """
    prepare_environment()
    url = known_server()
    if url is None:
        raise BadInput("there is no server", advice="Set PREFECT_API_URL, or start one here: `graft up`.")
    os.environ["PREFECT_API_URL"] = url
    return url


@contextmanager
def temporary_server() -> Iterator[str]:
    """Start a server without dashboard for as long as the block runs and yield its API address."""
    with serving(free_port(), dashboard=False) as url:
        yield url


@contextmanager
def serving(port: int, dashboard: bool) -> Iterator[str]:
    """Run a Prefect server on a port and yield its API address once it answers; Prefect here talks to it."""
    url = f"http://127.0.0.1:{port}/api"
    extra = {
        "PREFECT_SERVER_UI_ENABLED": str(dashboard).lower(),
        "PREFECT_SERVER_UI_API_URL": url,
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
    }
    command = [*PREFECT, "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    log = settings().work / "prefect" / "server.log"
    log.unlink(missing_ok=True)  # of the server before this one
    server = Service("Prefect's server", command, log, extra, lambda: answers(url))
    server.start()
    try:
        os.environ["PREFECT_API_URL"] = url  # Prefect reads it when it is imported
        import_module("prefect.main")  # takes seconds, and the server needs some of its own meanwhile
        server.wait()
        with kept_running(server):
            yield url
    finally:
        server.end()


@contextmanager
def kept_running(service: Service) -> Iterator[None]:
    """Start a service again that dies, such as by kill -9, while the block runs, and say so on standard error."""
    leaving = threading.Event()

    def watch() -> None:
        while not leaving.wait(WATCH_SECONDS):
            service.keep(lambda line: print(line, file=sys.stderr))

    watcher = threading.Thread(target=watch, name="watcher", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        leaving.set()
        watcher.join()


def answers(url: str) -> bool:
    """Return whether a Prefect API answers at an address, without going through a proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url.rstrip('/')}/health", timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def free_port() -> int:
    """Return a port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
