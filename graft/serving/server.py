"""A socket, and the server behind it until it is told to end."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from graft.errors import BadInput

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

    from graft.serving.limits import Limits

BACKLOG = 128


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; port 0 takes a free one. Raises BadInput where that cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = str(error.strerror or error).partition(" (while")[0]
        raise BadInput(
            f"{host} port {port} cannot be listened on: {reason}",
            advice=f"Name another: --port {port + 1 if port < 65535 else 8000}, or an address of this machine: --host.",
        ) from None
    except OverflowError:
        raise BadInput(f"port {port}: expected 0 to 65535") from None


def run(app: FastAPI, listening: socket.socket, limits: Limits) -> None:
    """Answer until SIGTERM or SIGINT; what has been asked by then is answered, within the time a request may take.

    The signal is then raised again, so that the process ends as its own handler says.
    """
    make_server(app, limits).run(sockets=[listening])


def make_server(app: FastAPI, limits: Limits) -> uvicorn.Server:
    """Return the server of an application; one that runs in a thread ends when its `should_exit` is set."""
    import uvicorn

    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="on",
        timeout_keep_alive=5,
        timeout_graceful_shutdown=max(1, round(limits.seconds)),
    )
    return uvicorn.Server(config)
