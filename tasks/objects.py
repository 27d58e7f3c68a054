"""What DVC tracks, file by file: each is an object that its md5 names, in the cache and in the remote alike."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from graft.errors import BadInput, CheckpointError
from graft.manifest import MANIFEST, verify_manifest
from graft.storage import Store

MISSING = "missing"
PART_SIZES = (50 * 2**20, 16 * 2**20, 8 * 2**20)  # bytes of an upload's parts: DVC's, ours, boto3's own


@dataclass(frozen=True)
class Tracked:
    """A file, or the listing of a folder, that is an output or a part of one."""

    path: Path
    md5: str
    """Its name among the objects; a listing's ends in `.dir`."""

    @property
    def is_listing(self) -> bool:
        """Whether it names the files of a folder."""
        return self.md5.endswith(".dir")

    @property
    def key(self) -> str:
        """Where it lies in a cache or a remote."""
        return f"files/md5/{self.md5[:2]}/{self.md5[2:]}"

    def sources(self, cache: Path) -> Iterator[Path]:
        """Yield the places on this machine that should hold it: the cache, then the working tree."""
        yield cache / self.key
        if not self.is_listing:
            yield self.path

    def whole(self, cache: Path) -> Path | None:
        """Return a place on this machine that does hold it."""
        return next((path for path in self.sources(cache) if is_whole(path, self.md5)), None)


def outputs_of(stage: str) -> list[Tracked]:
    """Return the outputs of a stage as dvc.lock has them, and those of a `.dvc` file as that has them."""
    if stage.endswith(".dvc"):
        return read_outputs(YAML(typ="safe").load(Path(stage).read_text()), Path(stage).parent)
    return read_outputs(locked(stage) or {}, Path())


def locked(stage: str) -> dict[str, Any] | None:
    """Return what dvc.lock says of a stage; None where it has not run."""
    return _lock().get(stage)


def locked_stages() -> list[str]:
    """Return the stages that dvc.lock knows: those that have run, here or where it was committed."""
    return [*_lock()]


def _lock() -> dict[str, dict[str, Any]]:
    path = Path("dvc.lock")
    content = YAML(typ="safe").load(path.read_text()) if path.is_file() else {}
    return {name: dict(entry) for name, entry in content.get("stages", {}).items()}


def read_outputs(entry: Mapping[str, Any], folder: Path) -> list[Tracked]:
    """Return the outputs of an entry that go to the default remote; imported ones stay where they came from."""
    if any("repo" in dep for dep in entry.get("deps", ()) if isinstance(dep, dict)):
        return []
    kept = [out for out in entry.get("outs", ()) if out.get("hash") == "md5" and "md5" in out]
    return [Tracked(folder / out["path"], out["md5"]) for out in kept if out.get("push", True) and "remote" not in out]


def expand(outputs: Iterable[Tracked], find: Callable[[Tracked], bytes | None]) -> Iterator[Tracked]:
    """Yield every object of the outputs, the files of a folder before its listing, which `find` brings."""
    for output in outputs:
        if output.is_listing and (listing := find(output)) is not None:
            for row in json.loads(listing):
                yield Tracked(output.path / row["relpath"], row["md5"])
        yield output


def is_whole(path: Path, md5: str) -> bool:
    """Say whether a file is there and is what its name says."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "md5").hexdigest() == md5.removesuffix(".dir")
    except OSError:
        return False


def find_fault(store: Store, item: Tracked, cache: Path) -> str | None:
    """Return what is wrong with an object in a remote, None where it is whole.

    What S3 says of an object that went up in one piece is its md5; for one in parts that is recomputed from our own
    copy, and only where neither tells the object is read. A folder's objects are always read.
    """
    stat = store.stat(item.key)
    if stat is None:
        return MISSING
    expected = item.md5.removesuffix(".dir")
    if stat.md5 == expected or (stat.parts and _parts_match(stat.parts, item.whole(cache))):
        return None
    read = hashlib.md5()
    try:
        for piece in store.chunks(item.key):
            read.update(piece)
    except FileNotFoundError:
        return MISSING
    found = read.hexdigest()
    return None if found == expected else f"damaged: its {stat.bytes} bytes have the md5 {found[:12]}"


def _parts_match(tag: str, path: Path | None) -> bool:
    """Say whether an ETag of several parts is that of a file: the md5 of the md5 of its parts, and their count."""
    if path is None:
        return False
    size, count = path.stat().st_size, int(tag.rpartition("-")[2])
    return any(_parts_tag(path, part) == tag for part in PART_SIZES if -(-size // part) == count)


def _parts_tag(path: Path, part: int) -> str:
    digests = []
    with path.open("rb") as stream:
        while piece := stream.read(part):
            digests.append(hashlib.md5(piece).digest())
    return f"{hashlib.md5(b''.join(digests)).hexdigest()}-{len(digests)}"


def find_damage(stage: str, cache: Path) -> list[str]:
    """Return what is wrong with a stage's outputs on disk, by the md5 in dvc.lock and by their own manifests."""
    found, folders = [], set[Path]()
    outputs = outputs_of(stage)
    for item in expand(outputs, lambda listing: read_listing(listing, cache)):
        if item.is_listing and read_listing(item, cache) is None:
            found.append(f"{item.path}: the listing of its files is damaged or missing (object {item.key})")
        elif not item.is_listing and not is_whole(item.path, item.md5):
            found.append(f"{item.path}: {'damaged' if item.path.exists() else 'missing'} (object {item.key})")
        if item.path.name == MANIFEST:
            folders.add(item.path.parent)
    for folder in sorted(folders):
        try:
            verify_manifest(folder)
        except CheckpointError as error:
            known = {line.split(": ")[0] for line in found}
            found += [line for line in error.problems if line.split(": ")[0] not in known]
    return found


def drop_damaged(stage: str, cache: Path) -> None:
    """Remove the stage's damaged objects from the cache, which would pass for what a new run of it makes."""
    for item in expand(outputs_of(stage), lambda listing: read_listing(listing, cache)):
        path = cache / item.key
        if path.exists() and not is_whole(path, item.md5):
            path.unlink()


def read_listing(item: Tracked, cache: Path) -> bytes | None:
    """Return the listing of a folder from the cache, None where that lacks it or has it damaged."""
    path = cache / item.key
    return path.read_bytes() if is_whole(path, item.md5) else None


def read_remote_listing(item: Tracked, store: Store, cache: Path) -> bytes | None:
    """Return the listing of a folder from the cache, else from the remote; None where neither has it whole."""
    if (local := read_listing(item, cache)) is not None:
        return local
    try:
        content = store.get(item.key)
    except (FileNotFoundError, BadInput):
        return None
    return content if hashlib.md5(content).hexdigest() == item.md5.removesuffix(".dir") else None
