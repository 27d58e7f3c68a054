"""The folder that a deployed run works in: a checkout of its own, or the one that its worker was started for.

`enter` is the pull step of prefect.yaml. A worker runs it before it starts the run's own process, which finds the
checkout's code first on its path.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from graft.errors import BadInput, Transient
from graft.manifest import write_whole
from graft.settings import settings

KEPT = 12  # checkouts of earlier runs, newest first; what they made is in the DVC cache
ASKED = 200  # runs that the server tells of at once
RUN = "PREFECT__FLOW_RUN_ID"


def enter(directory: str | None = None) -> dict[str, str]:
    """Return the folder of a run, as a pull step of Prefect does.

    With `GRAFT_CHECKOUTS` it is a clone of `GRAFT_ORIGIN` named by the run, so that two runs never meet in one folder
    and a run that is started again goes on where it was. Otherwise it is `GRAFT_ORIGIN`, or the `directory` that was
    deployed from.
    """
    origin, checkouts = settings().origin or directory or "", settings().checkouts
    if checkouts is None:
        if not Path(origin or "missing").is_dir():
            raise BadInput(
                f"{origin or 'no folder'}: this worker does not know where its runs work",
                advice="Start it with GRAFT_ORIGIN=FOLDER, or with GRAFT_ORIGIN=REPOSITORY and GRAFT_CHECKOUTS=FOLDER.",
            )
        return {"directory": origin}
    place = checkouts.absolute() / os.environ.get(RUN, "by-hand")
    if not place.is_dir():
        thin(checkouts)
        clone(origin, place)
    return {"directory": str(place)}


def clone(origin: str, place: Path) -> None:
    """Make a checkout of a repository's present commit that shares its DVC cache, whole or not at all."""
    beside = place.with_name(f".{place.name}.partial")
    shutil.rmtree(beside, ignore_errors=True)
    beside.parent.mkdir(parents=True, exist_ok=True)
    place_of_origin = without_login(origin)
    command = ["git", "clone", "--quiet", "--no-tags", place_of_origin, str(beside)]
    result = subprocess.run(command, env=os.environ | login_of(origin), capture_output=True, text=True, check=False)
    if result.returncode:
        said = without_login(" ".join(result.stderr.split()))
        raise Transient(
            f"{place_of_origin}: this repository cannot be cloned: {said}. Is GRAFT_ORIGIN right, and readable?"
        )
    share_cache(origin, beside)
    beside.rename(place)


def without_login(text: str) -> str:
    """Return a text without the logins of the addresses in it."""
    return re.sub(r"(?<=://)[^/@\s]+@", "", text)


def login_of(origin: str) -> dict[str, str]:
    """Return the environment by which git finds the login of an address that is named without it.

    So a token is neither on its command line nor in the configuration of the clone.
    """
    if (plain := without_login(origin)) == origin:
        return {}
    return {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"url.{origin}.insteadOf", "GIT_CONFIG_VALUE_0": plain}


def share_cache(origin: str, place: Path) -> None:
    """Let a checkout use the DVC cache of the repository on this machine, and the remote of `GRAFT_REMOTE`."""
    config = []
    if Path(origin).is_dir():
        command = [sys.executable, "-m", "dvc", "cache", "dir"]
        found = subprocess.run(command, cwd=origin, capture_output=True, text=True, check=False).stdout.strip()
        config += ["[cache]", f"    dir = {found or Path(origin).absolute() / '.dvc' / 'cache'}"]
    if remote := settings().remote:
        config += ["[core]", "    remote = team", "['remote \"team\"']", f"    url = {remote}", "    verify = true"]
        if endpoint := os.environ.get("AWS_ENDPOINT_URL_S3") if remote.startswith("s3://") else None:
            config += [f"    endpointurl = {endpoint}"]
    if config:
        write_whole(place / ".dvc" / "config.local", "\n".join([*config, ""]))


def thin(checkouts: Path) -> None:
    """Remove the checkouts of all but the last runs, and none that a run is at work in or goes on in later."""
    folders = [folder for folder in checkouts.glob("*") if folder.is_dir() and not folder.name.startswith(".")]
    old = sorted(folders, key=lambda each: each.stat().st_mtime, reverse=True)[KEPT:]
    needed = unfinished(folder.name for folder in old)
    for folder in old:
        if folder.name in needed:
            continue
        try:
            with occupied(folder, wait=False):
                shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue


def unfinished(names: Iterable[str]) -> set[str]:
    """Return those of some folders that are named by a run which is not at its end.

    Nobody is in the folder of a run that waits for a person, or crashed and will be started again, and it goes on from
    what is there. Where the server does not answer, every folder of a run may be such a one.
    """
    from httpx import HTTPError
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    runs = [name for name in names if _is_run(name)]
    if not runs:
        return set()
    asked, others = runs[-ASKED:], runs[:-ASKED]
    only = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(name) for name in asked]))
    try:
        with get_client(sync_client=True) as client:
            found = client.read_flow_runs(flow_run_filter=only, limit=ASKED)
    except HTTPError:
        return set(runs)
    ended = {str(run.id) for run in found if run.state and run.state.is_final() and not run.state.is_crashed()}
    gone = set(asked) - {str(run.id) for run in found}
    return {*asked, *others} - ended - gone


def _is_run(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False


@contextmanager
def occupied(folder: Path = Path(), wait: bool = True) -> Iterator[None]:
    """Keep a checkout from being removed; raises BlockingIOError where somebody is in it and `wait` is False."""
    path = folder / ".graft" / "occupied"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_SH if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
