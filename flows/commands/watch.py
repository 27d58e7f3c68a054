"""graft watch."""

from __future__ import annotations

from typing import Any

from flows.terminal import print_json, print_table


def watch(target: str, data: str, as_json: bool) -> None:
    """Compare recent inputs with those of the champion; by the flow where a server is there to hear of drift."""
    from flows.local import run_flow
    from flows.serving import known_server
    from graft.catalog import load

    load().target(target)  # an unknown target is said at once
    found = run_flow("watch", {"target": target, "data": data}) if known_server() else _look(target, data)
    if as_json:
        print_json(found)
        return
    rows = [[row["what"], f"{row['measure']} {row['found']}", row["drift above"], row["drift"], row["then"], row["now"]]
            for row in found["table"]]  # fmt: skip
    print(found["sentence"])
    print_table(("what", "found", "drift above", "drift", "then", "now"), rows, right=("drift above",))
    print(f"page      {found['page']}")


def _look(target: str, data: str) -> dict[str, Any]:
    from graft.catalog import load
    from graft.registry import open_registry
    from graft.watch.page import watch_and_keep

    found, page = watch_and_keep(target, load(), open_registry(), data or None)
    return {**found.content(), "page": str(page)}
