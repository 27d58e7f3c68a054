"""Where a flow leaves the champion of a target for its next study: the study itself knows no registry."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from graft.manifest import write_whole
from graft.settings import settings


@dataclass(frozen=True)
class Champion:
    """A package that is champion: its version, such as `digits@3`, its digest, and the folder of a verified copy."""

    version: str
    digest: str
    folder: str


def leave_champion(target: str, champion: Champion | None) -> None:
    """Say which package is the champion of a target, or that there is none."""
    if champion is None:
        _place(target).unlink(missing_ok=True)
    else:
        write_whole(_place(target), json.dumps(asdict(champion)) + "\n")


def find_champion(target: str) -> Champion | None:
    """Return the champion that was left for a target, or None."""
    try:
        return Champion(**json.loads(_place(target).read_text()))
    except FileNotFoundError:
        return None


def _place(target: str) -> Path:
    return settings().work / "champions" / f"{target}.json"
