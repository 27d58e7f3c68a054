"""What `graft doctor` looks at: small probes of what runs need, one function each.

A new one is a function and its name in `PROBES`. An error of ours that a probe raises is a fault with its message.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from graft.catalog import load
from graft.errors import GraftError
from graft.settings import settings
from graft.storage import LocalStore, S3Store, Store, open_store, probe
from graft.storage.local import PARTIAL

LOCK = Path("requirements.lock")
PINNED = re.compile(r"(?P<name>[\w.-]+)(\[[^]]*\])?==(?P<version>[^\s;]+)(?P<marker>\s*;)?")
LOW_BYTES, LITTLE_BYTES = 10**9, 10**10  # free on a disk: a training stops at the first, and may at the second
OLD_SECONDS = 3600  # what is half-written for so long, nobody writes any more
SKEW_SECONDS, REFUSED_SECONDS = 60, 900  # a clock this far off confuses histories; S3 refuses beyond the second


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's: what was looked at, how it is, and what to do where it is not well."""

    about: str
    level: Literal["ok", "warning", "fault"]
    what: str
    advice: str = ""


def catalogue() -> Iterator[Finding]:
    """The catalogue can be read, in the checkout's root."""
    catalog = load()
    yield Finding("catalogue", "ok", f"{len(catalog.sources)} sources, {len(catalog.targets)} targets")
    if not Path("dvc.yaml").is_file() or not Path(".dvc").is_dir():
        yield Finding("catalogue", "fault", "no dvc.yaml or no .dvc here", "Run in the root of the checkout.")


def environment() -> Iterator[Finding]:
    """The installed versions are those of the lock."""
    python = f"Python {platform.python_version()}"
    if not LOCK.is_file():
        yield Finding("environment", "warning", f"{python}; no {LOCK} here, so versions were not compared")
        return
    wanted = _locked()
    found = {name: _installed(name) for name in wanted}
    others = [
        f"{name} {found[name] or 'is missing'}, the lock says {' or '.join(versions)}"
        for name, versions in wanted.items()
        if found[name] not in versions
    ]
    missing = [name for name in _required() if _installed(name) is None]
    if missing:
        yield Finding(
            "environment", "fault", f"not installed: {', '.join(missing)}", "Run `make check`: it installs them."
        )
    if others:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        yield Finding("environment", "warning", f"{python}; {'; '.join(others[:3])}{more}", "Run `make check`.")
    else:
        yield Finding("environment", "ok", f"{python}, {len(wanted)} packages as the lock has them")


def disk() -> Iterator[Finding]:
    """There is room for checkpoints, results and DVC's cache."""
    from tasks.remote import cache_folder

    seen = set[int]()
    for path in (Path.cwd(), settings().work.absolute(), cache_folder().absolute()):
        near = next(each for each in (path, *path.parents) if each.exists())
        if near.stat().st_dev in seen:
            continue
        seen.add(near.stat().st_dev)
        free = shutil.disk_usage(near).free
        level: Literal["ok", "warning", "fault"] = (
            "fault" if free < LOW_BYTES else "warning" if free < LITTLE_BYTES else "ok"
        )
        advice = "" if level == "ok" else "Make room: `dvc gc --workspace` drops what no result of this checkout needs."
        yield Finding("disk", level, f"{free / 1e9:.1f} GB free at {near}", advice)


def devices() -> Iterator[Finding]:
    """Models can run where the settings say."""
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        yield Finding("devices", "ok", f"{len(names)} GPU(s): {', '.join(dict.fromkeys(names))}")
    elif settings().device == "cuda":
        yield Finding("devices", "fault", "GRAFT_DEVICE=cuda and torch finds no GPU", "Unset it, or mend the driver.")
    elif shutil.which("nvidia-smi"):
        advice = "See `nvidia-smi`; the driver may be too old for this torch."
        yield Finding("devices", "warning", f"there is nvidia-smi, but torch {torch.__version__} finds no GPU", advice)
    else:
        yield Finding("devices", "ok", f"no GPU; {os.cpu_count()} CPU cores, torch {torch.__version__}")


def registry() -> Iterator[Finding]:
    """The registry's store creates conditionally, lists what was written, and knows what time it is."""
    location = settings().registry
    store = open_store(location)
    if isinstance(store, S3Store):
        yield clock("registry", store)
    with _here(store) as there:
        probe(there)
    yield Finding("registry", "ok", f"{location}: creates conditionally, lists what was written")


def clock(about: str, store: S3Store) -> Finding:
    """Compare this machine's clock with that of a store."""
    seconds = (datetime.now(UTC) - store.now()).total_seconds()
    if abs(seconds) < SKEW_SECONDS:
        return Finding(about, "ok", f"{store}: reachable, its clock agrees")
    level: Literal["warning", "fault"] = "fault" if abs(seconds) > REFUSED_SECONDS else "warning"
    words = f"this machine's clock is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} that of {store}"
    return Finding(about, level, words, "Set the clock by NTP: credentials expire by it, and histories are read by it.")


def dvc_remote() -> Iterator[Finding]:
    """The DVC remote is set, verifies, answers and can be written."""
    from tasks.remote import find_remote, try_writing

    remote = find_remote()
    if remote is None:
        advice = "Set one, if others are to have them: `graft remote add URL`."
        yield Finding("dvc remote", "warning", "none is set, so results stay on this machine", advice)
        return
    if not remote.verifies:
        advice = f"Run `dvc remote modify {remote.name} verify true`."
        yield Finding("dvc remote", "warning", f"{remote}: DVC does not verify what it downloads", advice)
    remote.reach()
    if remote.store is None:
        yield Finding("dvc remote", "warning", f"{remote}: of a kind that only DVC reads; what it says is believed")
        return
    try_writing(remote.store)
    yield Finding("dvc remote", "ok", f"{remote}: reachable and writable")
    if isinstance(remote.store, S3Store):
        yield clock("dvc remote", remote.store)


def checkpoints() -> Iterator[Finding]:
    """The store of training states can be written, where one is set."""
    from tasks.remote import try_writing

    location = settings().checkpoints
    if not location:
        yield Finding("checkpoints", "ok", "on this machine alone (GRAFT_CHECKPOINTS is not set)")
        return
    with _here(open_store(location)) as store:
        try_writing(store)
    yield Finding("checkpoints", "ok", f"{location}: writable")


def prefect_server() -> Iterator[Finding]:
    """The Prefect server that is named or was started here answers, in the version that is installed."""
    from flows.serving import known_server

    url = known_server()
    if url is None:
        yield Finding("prefect", "ok", "no server is named or running here; a run starts one of its own")
        return
    theirs, ours = _server_version(url), metadata.version("prefect")
    if theirs == ours:
        yield Finding("prefect", "ok", f"{url} answers, version {ours}")
    else:
        advice = "Give server and workers the same version."
        yield Finding("prefect", "warning", f"{url} answers; version {theirs or 'unknown'} there, {ours} here", advice)


def runs() -> Iterator[Finding]:
    """No run of that server is dead without its being said."""
    from flows.serving import known_server

    if (url := known_server()) is None:
        return
    from flows.reconciling import dead_runs

    with _asking(url):
        dead = dead_runs()
    for words in dead:
        advice = "Start it again, or give it up: `prefect deployment run reconcile/reconcile`."
        yield Finding("runs", "warning", words, advice)
    if not dead:
        yield Finding("runs", "ok", "none that died without a word")


def leftovers() -> Iterator[Finding]:
    """What killed writers left half-written is removed."""
    if "://" in settings().registry:
        return
    store = LocalStore(Path(settings().registry))
    old = [path for path in (store.root / PARTIAL).glob("*") if time.time() - path.stat().st_mtime > OLD_SECONDS]
    for path in old:
        path.unlink(missing_ok=True)
    words = f"{len(old)} half-written file(s) of killed writers removed from {store.root}" if old else "none"
    yield Finding("leftovers", "ok", words)


Probe = Callable[[], Iterator[Finding]]
PROBES: tuple[Probe, ...] = (
    catalogue,
    environment,
    devices,
    disk,
    registry,
    dvc_remote,
    checkpoints,
    prefect_server,
    runs,
    leftovers,
)


def examine(probes: tuple[Probe, ...] = PROBES) -> list[Finding]:
    """Return what the probes find; one that cannot be made is a fault of its own and stops no other."""
    found = list[Finding]()
    for each in probes:
        about = each.__name__.replace("_", " ")
        try:
            found += each()
        except GraftError as error:
            headline, *rest = str(error).splitlines()
            found.append(Finding(about, "fault", headline, " ".join(line.strip() for line in rest)))
        except OSError as error:
            found.append(Finding(about, "fault", str(error)))
    return found


@contextmanager
def _here(store: Store) -> Iterator[Store]:
    """Yield a store that can be written without a trace: for a folder that nobody has made yet, one beside it."""
    if not isinstance(store, LocalStore) or store.root.is_dir():
        yield store
        return
    near = next(parent for parent in store.root.parents if parent.exists())
    with TemporaryDirectory(dir=near, prefix=".graft-doctor-") as folder:
        yield LocalStore(Path(folder))


def _locked() -> dict[str, list[str]]:
    """Return name and versions of what the lock wants; of what it wants on some platforms only, what is installed."""
    found: dict[str, list[str]] = {}
    for line in LOCK.read_text().splitlines():
        if (pin := PINNED.match(line)) and (not pin["marker"] or _installed(pin["name"])):
            found.setdefault(pin["name"], []).append(pin["version"])
    return found


def _required() -> list[str]:
    """Return the packages that Graft itself asks for."""
    lines = [line for line in metadata.requires("graft") or () if "extra ==" not in line]
    return [re.split(r"[^\w.-]", line)[0] for line in lines]


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


@contextmanager
def _asking(url: str) -> Iterator[None]:
    """Let Prefect's client speak with a server."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: url}):
        yield


def _server_version(url: str) -> str | None:
    from httpx import HTTPError
    from prefect.client.orchestration import get_client  # it knows the login

    with suppress(HTTPError), _asking(url), get_client(sync_client=True) as client:
        return str(client.api_version())
    return None
