"""graft deploy."""

from __future__ import annotations

import os

from flows.pools import Kind
from flows.serving import known_server, prepare_environment
from graft.errors import BadInput


def deploy(kind: Kind, image: str) -> None:
    """Make everything known to the server that the environment names, or to that of a running `graft up`."""
    prepare_environment()
    url = known_server()
    if url is None:
        raise BadInput("no server to deploy to", advice="Set PREFECT_API_URL, or start one here: `graft up`.")
    os.environ["PREFECT_API_URL"] = url
    from flows.deploying import deploy_all

    deploy_all(print, kind, image)
