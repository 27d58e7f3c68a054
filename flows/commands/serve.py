"""graft serve."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from flows.terminal import say, stop_on_signal
from graft.registry import open_registry


def serve(reference: str, host: str, port: int, limits: Mapping[str, Any], poll_seconds: float) -> None:
    """Answer over HTTP until Ctrl-C or SIGTERM; a model that does not verify is refused before anybody is answered."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # texts are read in one thread beside others
    stop_on_signal()
    with suppress(KeyboardInterrupt):
        from graft.serving import Champion, Limits, listen, make_app, run

        logging.basicConfig(level=logging.WARNING, format="%(message)s")
        logging.getLogger("graft.serving").setLevel(logging.INFO)
        given = Limits(**limits)
        with listen(host, port) as listening:
            champion = Champion(open_registry(), reference)
            version = champion.held.version
            address = listening.getsockname()
            say(f"{version.name}  http://{_bracketed(address[0])}:{address[1]}")
            run(make_app(champion, given, poll_seconds), listening, given)
    say("ended")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
