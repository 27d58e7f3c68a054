"""The champion put where the next study looks for it, when a strategy of that study begins from it."""

from __future__ import annotations

from prefect import get_run_logger, task

from graft.catalog import load
from graft.champion import Champion, leave_champion
from graft.registry import open_registry
from graft.strategies import go_on_from_champion
from tasks.attempts import TRIED_AGAIN
from tasks.stage import name_target


@task(task_run_name=name_target("champion"), **TRIED_AGAIN)
def bring_champion(target: str) -> None:
    """Leave the champion of a target, verified, where its next study looks for it."""
    champion = fetch_champion(target)
    said = f"can begin from {champion.version}" if champion else "have no champion to begin from yet"
    get_run_logger().info("%s: the strategies `champion:` %s", target, said)


def fetch_champion(target: str) -> Champion | None:
    """Fetch a target's champion and leave it for its next study; return it, or None where there is none."""
    registry, champion = open_registry(), None
    state = registry.read(target)
    if state.champion is not None:
        version = state.version(state.champion)
        champion = Champion(version.name, version.digest, str(registry.fetch(version.name).absolute()))
    leave_champion(target, champion)
    return champion


def begins_from_champion(target: str) -> bool:
    """Return whether a strategy of a target's study begins from its champion."""
    return go_on_from_champion(load().target(target).study.strategies)
