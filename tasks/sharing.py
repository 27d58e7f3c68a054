"""Results of a stage in the DVC remote, written and looked at by us, object by object.

`dvc push` says that all is well with objects missing, damaged or cut short on the other side, or mends some of them
without a word. So we write the objects ourselves, under the names that DVC gives them, and compare each with its name.
The listing of a folder goes up after its files, and the stage's entry of the run cache, by which other checkouts
restore instead of running, after all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from graft.errors import RemoteDamaged, Transient
from graft.manifest import digest, write_whole
from graft.settings import settings
from graft.storage import Store
from tasks.children import Say, run_child
from tasks.objects import (
    MISSING,
    Tracked,
    expand,
    find_fault,
    locked,
    outputs_of,
    read_outputs,
    read_remote_listing,
)
from tasks.remote import Remote, cache_folder, find_remote

AT_ONCE = 8  # objects that are looked at side by side
RESTORE = (
    "Where another checkout has it whole, `graft remote check` there mends the remote; else run the stage again with "
    "`dvc repro --force --single-item STAGE`."
)


@dataclass(frozen=True)
class Fault:
    """One object that is not as its name says in the remote."""

    stage: str
    item: Tracked
    what: str
    mended: bool = False
    """Whether it was written again from a whole copy here."""

    @property
    def left(self) -> bool:
        """Whether it is as it was found."""
        return not self.mended

    def __str__(self) -> str:
        """Return stage, file and object with what is wrong."""
        end = "; written again from the copy here" if self.mended else ""
        return f"{self.stage}: {self.item.path}: object {self.item.key} is {self.what}{end}"


def share(stage: str, remote: Remote, say: Say) -> list[Fault]:
    """Write what a stage made, or what a `.dvc` file holds, into the remote; return what had been there and damaged.

    Raises RemoteDamaged naming every object that is not whole there and cannot be mended from here, and Transient where
    the remote is gone. Into a remote of a kind that we cannot read (ssh, gs and so on) DVC pushes, and is believed.
    """
    remote.reach()
    if remote.store is None:
        _push(stage, remote)
        say(f"{stage}: pushed to {remote}; only folders and s3:// are checked by us, there DVC is believed")
        _remember(stage, remote)
        return []
    known = _is_known(stage, remote)
    faults = [fault for fault in check(stage, remote.store, mend=True) if known or fault.what != MISSING or fault.left]
    for fault in faults:
        say(str(fault))
    if left := [fault for fault in faults if fault.left]:
        raise RemoteDamaged(f"{stage}: {len(left)} object(s) of the DVC remote {remote}", [*map(str, left)], RESTORE)
    _share_run(stage, remote.store)
    _remember(stage, remote)
    return faults


def _is_known(stage: str, remote: Remote) -> bool:
    """Say whether the remote should have all of it: what is missing then was there."""
    path = _find_run(stage)
    if is_shared(stage, remote) or path is None or remote.store is None:
        return is_shared(stage, remote)
    return remote.store.stat(path.relative_to(cache_folder()).as_posix()) is not None


def check(stage: str, store: Store, mend: bool) -> list[Fault]:
    """Compare every object of a stage, or of a `.dvc` file, with what the remote holds."""
    return look_at(stage, outputs_of(stage), store, mend)


def look_at(stage: str, outputs: Sequence[Tracked], store: Store, mend: bool) -> list[Fault]:
    """Return what is wrong with the objects of some outputs; with `mend` they are written from where one is whole."""
    cache = cache_folder()
    items = list(expand(outputs, lambda item: read_remote_listing(item, store, cache)))
    unique = [*{item.md5: item for item in reversed(items)}.values()][::-1]  # equal files are one object

    def look(item: Tracked) -> Fault | None:
        what = find_fault(store, item, cache)
        if what is None:
            return None
        source = item.whole(cache) if mend else None
        if source is not None:
            store.put(item.key, source)
        return Fault(stage, item, what, source is not None and find_fault(store, item, cache) is None)

    listings = [item for item in unique if item.is_listing]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = [*pool.map(look, [item for item in unique if not item.is_listing])]
        whole = not any(fault is not None and fault.left for fault in found)
        found += [*pool.map(look, listings)] if whole or not mend else []  # DVC believes in a folder by its listing
    return [fault for fault in found if fault is not None]


def fetch_runs(store: Store) -> list[str]:
    """Bring the entries of the remote's run cache that are not here yet, by which DVC restores; return their keys."""
    cache = cache_folder()

    def fetch(key: str) -> None:
        content = store.get(key)
        if _read_run(content) is not None:  # a damaged one is named when its stage has run
            write_whole(cache / key, content)

    keys = [key for key in store.list("runs") if not (cache / key).exists()]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(fetch, keys))
    return keys


def is_shared(stage: str, remote: Remote) -> bool:
    """Say whether what the stage has made last was pushed from here to this remote, and looked at."""
    try:
        return bool(json.loads(_record(stage).read_text()) == _state(stage, remote))
    except (FileNotFoundError, ValueError):
        return False


def unshared(stages: Sequence[str]) -> list[str]:
    """Return the stages whose results the default remote, if there is one, does not have from here yet."""
    remote = find_remote()
    return [] if remote is None else [stage for stage in stages if not is_shared(stage, remote)]


def withdraw_damaged(stage: str, remote: Remote, say: Say) -> list[Fault]:
    """Find the results of this very stage that the remote has but cannot give back, and say which objects they lack.

    They are why a stage ran although the run cache knew it. Their entries are removed: another
    checkout would try to restore them instead of the whole result that is there now.
    """
    mine = _find_run(stage)
    if remote.store is None or mine is None:
        return []
    cache, found = cache_folder(), list[Fault]()
    expected = _read_run(mine.read_bytes()) or {}
    for key in remote.store.list(mine.parent.relative_to(cache).as_posix()):
        if key.endswith(mine.name):
            continue
        entry = _read_run(remote.store.get(key))
        if entry is None or _inputs(entry) != _inputs(expected):
            lines, left = [f"{stage}: object {key}, its entry in the run cache, is damaged"], True
        else:
            faults = look_at(stage, read_outputs(entry, Path()), remote.store, mend=True)
            found += faults
            lines, left = [*map(str, faults)], any(fault.left for fault in faults)
        if left:
            say(f"{stage}: the DVC remote {remote} had a result that could not be restored, so the stage ran")
            remote.store.delete(key)
            (cache / key).unlink(missing_ok=True)
        for line in lines:
            say(f"  - {line}")
    return found


def _push(stage: str, remote: Remote) -> None:
    from tasks.pipeline import DVC

    said: list[str] = []
    options = [] if stage.endswith(".dvc") else ["--run-cache"]
    if run_child([*DVC, "--wait-for-lock", "push", *options, stage], said.append):
        errors = [line.removeprefix("ERROR: ") for line in said if line.startswith("ERROR: ")] or said[-3:]
        raise Transient(f"{stage}: `dvc push` to {remote} failed: {'; '.join(errors)}")


def _share_run(stage: str, store: Store) -> None:
    """Write the stage's entry of the run cache into the remote, where it has one; compared byte by byte."""
    path = _find_run(stage)
    if path is None:
        return
    key, content = path.relative_to(cache_folder()).as_posix(), path.read_bytes()
    try:
        if store.get(key) == content:
            return
    except FileNotFoundError:
        pass
    store.put(key, path)


def _find_run(stage: str) -> Path | None:
    """Return the run-cache entry of what dvc.lock says of a stage: the newest that says the same."""
    wanted = locked(stage)
    if wanted is None:
        return None
    names = [str(out["md5"]).encode() for out in wanted.get("outs", ()) if "md5" in out]
    for path in _runs_by_age():
        content = path.read_bytes()
        if all(name in content for name in names) and _read_run(content) == wanted:
            return path
    return None


def _runs_by_age() -> Iterator[Path]:
    paths = [path for path in (cache_folder() / "runs").glob("*/*/*") if path.is_file()]
    yield from sorted(paths, key=lambda path: path.stat().st_mtime, reverse=True)


def _read_run(content: bytes) -> dict[str, Any] | None:
    try:
        entry = YAML(typ="safe").load(content)
    except (YAMLError, UnicodeDecodeError):
        return None
    return dict(entry) if isinstance(entry, dict) else None


def _inputs(entry: Mapping[str, Any]) -> list[Any]:
    """Return what the results of one stage under one key share: all but what came out."""
    try:
        deps = [(dep["path"], dep["md5"]) for dep in entry.get("deps", ())]
        return [entry["cmd"], entry.get("params"), deps, [out["path"] for out in entry["outs"]]]
    except (KeyError, TypeError):
        return []


def _record(stage: str) -> Path:
    return settings().work / "shared" / f"{stage.replace('/', '~')}.json"


def _state(stage: str, remote: Remote) -> dict[str, str]:
    return {"remote": remote.url, "outputs": digest({str(item.path): item.md5 for item in outputs_of(stage)})}


def _remember(stage: str, remote: Remote) -> None:
    write_whole(_record(stage), json.dumps(_state(stage, remote)))
