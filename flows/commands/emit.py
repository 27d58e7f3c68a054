"""graft emit."""

from __future__ import annotations

import os

from flows.serving import known_server, prepare_environment
from graft.errors import BadInput


def emit(event: str, target: str) -> None:
    """Send an event to the server that the environment names, or to that of a running `graft up`."""
    from graft.catalog import load

    if target:
        load().target(target)
    prepare_environment()
    url = known_server()
    if url is None:
        raise BadInput(
            "no server to tell", advice="Set PREFECT_API_URL, or start one here: `graft up`; or just `graft retrain`."
        )
    os.environ["PREFECT_API_URL"] = url
    from tasks.events import tell

    tell(f"graft/{event}", target)
    print(f"told {url.removesuffix('/api')}: graft/{event}, {target or 'all targets'}")
