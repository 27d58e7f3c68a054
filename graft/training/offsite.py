"""Training state in a store (`GRAFT_CHECKPOINTS`), so that another machine goes on where this one has died.

A thread of its own uploads what is complete on disk: the manifest last, under a name that no other upload has, so that
two machines which train the same never mix their files. Nothing that happens to an upload stops the training.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from graft.errors import CheckpointError, GraftError
from graft.manifest import MANIFEST, sha256, verify_manifest
from graft.settings import settings

if TYPE_CHECKING:
    from graft.storage import Store

log = logging.getLogger(__name__)
KEPT = 2  # the newest may be damaged; then the one before it serves
TRIES = 3  # of an upload, beyond those of the store itself
WAIT_SECONDS = 2.0  # before the second try; twice as long before each further one
LEAVE_SECONDS = 20.0  # that a process which has been asked to stop waits for its last upload; it has 30


class Offsite:
    """The states of trainings below one work folder, in a store under the same relative names."""

    def __init__(self, store: Store, work: Path) -> None:
        self.store, self.work = store, work
        self._changed = threading.Condition()
        self._pending: dict[Path, Callable[[], None]] = {}
        """What is to be done next, by what it is about: a newer state takes the place of one that waits."""
        self._busy: Path | None = None
        self._thread: threading.Thread | None = None

    def offer(self, snapshot: Path) -> None:
        """Upload a complete `step-N` folder soon, in place of an older one that still waits; returns at once."""
        self._do(snapshot.parent, lambda: self._upload(snapshot))

    def offer_file(self, path: Path) -> None:
        """Upload a finished file soon, unless its work is dropped before; returns at once."""
        self._do(path, lambda: self._upload_file(path))

    def fetch(self, folder: Path, newer_than: int) -> bool:
        """Bring the newest complete state of a training here, if it is of a later step; damaged ones are passed over.

        Raises what the store raises where it cannot be asked.
        """
        for step, key in self._complete(folder):
            if step <= newer_than:
                return False
            if self._download(key, folder / f"step-{step:08d}"):
                log.info("%s: its state of step %d comes from %s", folder.name, step, settings().checkpoints)
                return True
        return False

    def fetch_file(self, path: Path) -> bool:
        """Bring a finished file that is not here; False where the store has none, or none that is whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        for key in self.store.list(self._key(path.parent)):
            name, _, digest = key.rpartition("/")[2].rpartition(".")
            if name != path.name:
                continue
            self.store.download(key, partial)
            if sha256(partial) == digest:
                partial.replace(path)
                return True
            partial.unlink()
            log.warning("passing over a damaged file at %s/%s", self.store, key)
        return False

    def forget(self, folder: Path) -> None:
        """Remove everything below a folder from the store: the work is finished, its output is whole."""

        def remove() -> None:
            for key in sorted(self.store.list(self._key(folder)), key=lambda key: not key.endswith(MANIFEST)):
                self.store.delete(key)

        with self._changed:
            self._pending = {path: do for path, do in self._pending.items() if not path.is_relative_to(folder)}
        self._do(folder, remove)
        self.flush()

    def flush(self, seconds: float = LEAVE_SECONDS) -> bool:
        """Wait until nothing is left to do; False when it takes longer than that."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._pending and self._busy is None, seconds)

    def _do(self, about: Path, action: Callable[[], None]) -> None:
        with self._changed:
            self._pending[about] = action
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="offsite", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._pending))
                self._busy = next(iter(self._pending))
                action = self._pending.pop(self._busy)
            self._try(self._busy, action)
            with self._changed:
                self._busy = None
                self._changed.notify_all()

    def _try(self, about: Path, action: Callable[[], None]) -> None:
        for attempt in range(TRIES):
            try:
                return action()
            except Exception as error:  # noqa: BLE001 - whatever happens to a copy, the training goes on
                words = " ".join(str(error).split()) or type(error).__name__
                log.warning("%s: its copy in %s failed: %s; training goes on", about.name, self.store, words)
            with self._changed:  # a newer state is worth more than another try of this one
                if self._changed.wait_for(lambda: about in self._pending, WAIT_SECONDS * 2**attempt):
                    return None
        return None

    def _upload(self, snapshot: Path) -> None:
        folder, step = self._key(snapshot.parent), snapshot.name
        place = f"{folder}/{step}.{uuid4().hex[:8]}"
        try:
            manifest = (snapshot / MANIFEST).read_bytes()
            for path in sorted(snapshot.iterdir()):
                if path.name != MANIFEST:
                    self.store.put(f"{place}/{path.name}", path)
            changed = (snapshot / MANIFEST).read_bytes() != manifest
        except FileNotFoundError:
            changed = True  # a newer one has taken its place, here and among what waits
        if not changed:
            self.store.put(f"{place}/{MANIFEST}", manifest)
            self._thin(folder)

    def _upload_file(self, path: Path) -> None:
        try:
            self.store.put(f"{self._key(path)}.{sha256(path)}", path)
        except FileNotFoundError:
            if path.exists():  # then it is the store that lacks something
                raise
            log.debug("%s: dropped before its copy was made", path)

    def _thin(self, folder: str) -> None:
        """Remove all but the newest complete states, and what an upload that died before them has left."""
        keys = self.store.list(folder)
        complete = _complete(keys, folder)[:KEPT]
        if not complete:  # the work was finished elsewhere, and forgotten in this moment
            return
        kept, last = {key for _, key in complete}, complete[-1][0]
        steps = [key for key in keys if key.startswith(f"{folder}/step-")]
        for key in sorted(steps, key=lambda key: not key.endswith(MANIFEST)):
            place = key.rpartition("/")[0]
            if place not in kept and _step(place) <= last:
                self.store.delete(key)

    def _complete(self, folder: Path) -> list[tuple[int, str]]:
        key = self._key(folder)
        return _complete(self.store.list(key), key)

    def _download(self, key: str, place: Path) -> bool:
        partial = place.with_name(f".{place.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            for each in self.store.list(key):
                self.store.download(each, partial / each.rpartition("/")[2])
            verify_manifest(partial)
            shutil.rmtree(place, ignore_errors=True)
            partial.rename(place)
        except (CheckpointError, FileNotFoundError) as error:
            log.warning("passing over a damaged checkpoint at %s/%s: %s", self.store, key, " ".join(str(error).split()))
            return False
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return True

    def _key(self, path: Path) -> str:
        return path.absolute().relative_to(self.work.absolute()).as_posix()


def offsite() -> Offsite | None:
    """Return where states of trainings are kept beside this machine; None where nothing is set."""
    return _open(settings().checkpoints, settings().work / "work") if settings().checkpoints else None


def keep(snapshot: Path) -> None:
    """Have a complete state, just written, kept elsewhere too."""
    if (elsewhere := offsite()) is not None and snapshot.absolute().is_relative_to(elsewhere.work.absolute()):
        elsewhere.offer(snapshot)


def recall(folder: Path, newer_than: int | None) -> bool:
    """Bring the newest state of a training from elsewhere; True where one came that is newer than what is here.

    A store that cannot be asked stops a training that would begin anew, and no training that can go on from here.
    """
    elsewhere = offsite()
    if elsewhere is None or not folder.absolute().is_relative_to(elsewhere.work.absolute()):
        return False
    try:
        return elsewhere.fetch(folder, -1 if newer_than is None else newer_than)
    except GraftError as error:
        if newer_than is None:
            raise
        log.warning("%s: going on from what is here: %s", folder.name, " ".join(str(error).split()))
        return False


def keep_files(*paths: Path) -> None:
    """Have files that tell of finished work kept elsewhere too, in this order."""
    if (elsewhere := offsite()) is not None:
        for path in paths:
            elsewhere.offer_file(path)


def recall_files(folder: Path, *names: str) -> None:
    """Bring files that tell of finished work from elsewhere, in this order; none where one is missing there."""
    elsewhere = offsite()
    if elsewhere is None or (folder / names[-1]).exists():
        return
    try:
        all(elsewhere.fetch_file(folder / name) for name in names)
    except GraftError as error:
        log.warning(
            "%s: what another machine may know of it is not asked: %s", folder.name, " ".join(str(error).split())
        )


def settle() -> None:
    """Wait a little for uploads that are on their way, before this process ends."""
    if (elsewhere := offsite()) is not None and not elsewhere.flush():
        log.warning("the last state is here and not in %s: its upload takes too long", settings().checkpoints)


def forget(folder: Path) -> None:
    """Remove the state of finished work, here and elsewhere."""
    shutil.rmtree(folder, ignore_errors=True)
    if (elsewhere := offsite()) is not None:
        elsewhere.forget(folder)


@cache
def _open(location: str, work: Path) -> Offsite:
    # by name: where copies are kept changes no result, so no stage has to run again when the stores change
    return Offsite(import_module("graft.storage").open_store(location), work)


def _complete(keys: tuple[str, ...], folder: str) -> list[tuple[int, str]]:
    """Return step and place of the states that have a manifest, the newest first."""
    places = [key.rpartition("/")[0] for key in keys if key.endswith(f"/{MANIFEST}")]
    return sorted(((_step(place), place) for place in places if place.startswith(f"{folder}/step-")), reverse=True)


def _step(place: str) -> int:
    return int(place.rpartition("/step-")[2].partition(".")[0])
