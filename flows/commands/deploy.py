"""graft deploy."""

from __future__ import annotations

from flows.pools import Kind
from flows.serving import speak_to_server


def deploy(kind: Kind, image: str) -> None:
    """Make everything known to the server that the environment names, or to that of a running `graft up`."""
    speak_to_server()
    from flows.deploying import deploy_all

    deploy_all(print, kind, image)
