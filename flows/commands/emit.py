"""graft emit."""

from __future__ import annotations

from flows.serving import speak_to_server


def emit(event: str, target: str) -> None:
    """Send an event to the server that the environment names, or to that of a running `graft up`."""
    from graft.catalog import load

    if target:
        load().target(target)
    url = speak_to_server()
    from tasks.events import post

    post(f"graft/{event}", target)
    print(f"told {url.removesuffix('/api')}: graft/{event}, {target or 'all targets'}")
