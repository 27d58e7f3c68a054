"""Writers in processes of their own. Nothing heavy is imported here, so that many of them start in a second."""

import os
import random
import sys
from datetime import UTC, datetime
from pathlib import Path

import boto3

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
    digest = f"{who}-{number}".replace(" ", "-")
    return Registered(**about(state, number, who), digest=digest, package="p", metrics={}, claim=claim)


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
    url, bucket = place.split("#")
    account = {"aws_access_key_id": "graft", "aws_secret_access_key": "graft-secret"}
    return S3Store(
        bucket, "team/graft", client=boto3.client("s3", endpoint_url=url, region_name="us-east-1", **account)
    )


def write(place: str, who: str, count: int) -> None:
    """Append so many events of every kind, and print number and text of each once it was acknowledged."""
    log, left, chance = Log(open_place(place)), count, random.Random(who)
    while left:
        action = chance.choice(ACTIONS)
        state, event = log.append("m", lambda state, action=action: action(state, who))
        if event is not None:
            print(
                f"{len(state.history)} {event.model_dump_json()}\n", end="", flush=True
            )  # one write, so lines stay whole
            left -= 1


def main(place: str, count: int, *names: str) -> None:
    """Write in a process of its own for each name; they are forked, so that what they import is imported once."""
    children = []
    for who in names:
        if (child := os.fork()) == 0:
            write(place, who, count)
            os._exit(0)
        children.append(child)
    sys.exit(sum(os.waitpid(child, 0)[1] for child in children) > 0)


if __name__ == "__main__":
    place, count, *names = sys.argv[1:]
    if len(names) == 1:
        write(place, names[0], int(count))
    else:
        main(place, int(count), *names)
