"""Writers in processes of their own. Nothing heavy is imported here, so that many of them start in a second."""

import os
import random
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from graft.registry.claims import claimed
from graft.registry.events import GateResult, Promoted, Proposed, Registered, Rejected, RolledBack
from graft.registry.log import Log
from graft.storage import LocalStore, S3Store, Store

WHEN = datetime(2026, 1, 1, tzinfo=UTC)
GATE = GateResult(gate="verdict", passed=False, found="hurts", required="helps", reason="the verdict is hurts")


def about(state, version, who):
    return {"model": state.model, "version": version, "who": who, "when": WHEN, "reason": "r"}


def register(state, who="ann", claim=None):
    number = len(state.versions) + 1
    return Registered(**about(state, number, who), digest=f"{who}-{number}", package="p", metrics={}, claim=claim)


def promote_newest(state, who="ann"):
    newest = len(state.versions)
    return Promoted(**about(state, newest, who)) if newest and state.champion != newest else None


def promote_any(state, who="ann"):
    others = [version.number for version in state.versions if version.number != state.champion]
    return Promoted(**about(state, random.choice(others), who)) if others else None


def propose_newest(state, who="ann"):
    newest = len(state.versions)
    return Proposed(**about(state, newest, who), gates=(GATE,), asked={}) if newest else None


def reject_newest(state, who="ann"):
    newest = len(state.versions)
    return Rejected(**about(state, newest, who), gates=(GATE,), asked={}) if newest else None


def roll_back(state, who="ann"):
    if len(state.champions) < 2:
        return None
    former, present = state.champions[-2:]
    return RolledBack(**about(state, former, who), abandoned=present)


def claim(state, who="ann"):
    return claimed(state, who)


ACTIONS = (register, register, promote_newest, promote_any, propose_newest, reject_newest, roll_back, claim)


def open_place(place: str) -> Store:
    """Return the store at a folder, or at ADDRESS#BUCKET of an S3 on loopback."""
    if "#" not in place:
        return LocalStore(Path(place))
    from tests.graft.storage.conftest import client

    url, bucket = place.split("#")
    return S3Store(bucket, "team/graft", client=client(url))


def write(place: str, who: str, count: int) -> list[tuple[int, str]]:
    """Append events of every kind; return the number and the text of each that was acknowledged."""
    log, said, chance = Log(open_place(place)), [], random.Random(who)
    while len(said) < count:
        action = chance.choice(ACTIONS)
        state, event = log.append("m", lambda state, action=action: action(state, who))
        if event is not None:
            said.append((len(state.history), event.model_dump_json()))
    return said


def main(place: str, who: str) -> None:
    """Append without end, and print the number of each event once it is acknowledged."""
    log = Log(open_place(place))
    while True:
        state, _ = log.append("m", lambda state: register(state, who))
        print(len(state.history), state.versions[-1].digest, flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.nice(1)
    main(*sys.argv[1:])
