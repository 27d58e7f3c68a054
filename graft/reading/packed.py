"""Folders of many small files in a few tar shards, read where they lie and never unpacked.

A packed folder holds `packed-00000-of-00003.tar` and so on, and beside them the files that were not packed. A path of
such a folder sees every file where it was before, so that a reader, a message and a row are the same either way.
"""

from __future__ import annotations

import fnmatch
import io
import os
import re
import tarfile
from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PosixPath
from typing import Any, Self

from graft.errors import DataError

SHARD = re.compile(r"packed-(\d{5})-of-(\d{5})\.tar")
END = bytes(1024)
"""What a whole tar file ends with (POSIX.1-2017, pax, ustar interchange format): two blocks of zeros."""
AGAIN = "Bring the data again: `dvc checkout` or `dvc pull`, or `graft new` from where they came."


@dataclass(frozen=True)
class Place:
    """Where the bytes of a packed file are."""

    shard: Path
    offset: int
    bytes: int


@dataclass(frozen=True)
class Pack:
    """What a packed folder holds: the place of each file, and the names in each folder, by path within it."""

    state: tuple[tuple[str, int, int], ...]
    """Name, size and time of change of each shard: another state is another pack."""
    files: Mapping[str, Place]
    folders: Mapping[str, set[str]]

    def read(self, inside: str) -> bytes:
        """Return the bytes of a file; raises OSError when its shard is gone or another one has taken its place."""
        place = self.files[inside]
        with place.shard.open("rb") as stream:
            if _state(place.shard.name, os.fstat(stream.fileno())) not in self.state:
                raise OSError(None, "the shard has changed since it was opened", str(place.shard))
            return os.pread(stream.fileno(), place.bytes, place.offset)


_OPENED: dict[str, Pack] = {}
"""Packs by the absolute path of their folder."""


def shards(folder: Path) -> list[Path]:
    """Return the shards of a folder in order; none where it is not packed."""
    try:
        return sorted(file for file in Path(folder).iterdir() if SHARD.fullmatch(file.name))
    except OSError:
        return []


def look_into(path: Path) -> Path:
    """Return a path that sees packed files, where it or a folder above it is packed; else the path as it is.

    Raises DataError listing every shard that is missing, damaged or holds what no pack may hold.
    """
    for folder in (path, *path.parents):
        if found := shards(folder):
            root = _absolute(folder)
            state = tuple(_state(shard.name, shard.stat()) for shard in found)
            if root not in _OPENED or _OPENED[root].state != state:
                _OPENED[root] = _index(folder, found, state)
            return PackedPath(path)
    return path


def read_file(path: str) -> bytes:
    """Return the bytes of a file, packed or not; raises OSError when it cannot be read."""
    if _OPENED and (found := _locate(path)) and found[1] in found[0].files:
        return found[0].read(found[1])
    try:
        return Path(path).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return look_into(Path(path)).read_bytes()  # of a pack that this process has not opened yet


def _state(name: str, facts: os.stat_result) -> tuple[str, int, int]:
    return name, facts.st_size, facts.st_mtime_ns


def _absolute(path: str | Path) -> str:
    """Return a path from the root on, without `..`: files that are named by a table often begin with it."""
    return os.path.abspath(path)  # noqa: PTH100 - resolve() would follow links, as DVC makes them into its cache


def _locate(path: str | Path) -> tuple[Pack, str] | None:
    """Return the opened pack that a path is of, and the path within it, '' for its own folder."""
    whole = _absolute(path)
    for root, pack in _OPENED.items():
        if whole.startswith(root) and whole[len(root) : len(root) + 1] in ("", "/"):
            return pack, whole[len(root) + 1 :]
    return None


def _index(folder: Path, found: list[Path], state: tuple[tuple[str, int, int], ...]) -> Pack:
    faults = _missing(found)
    files: dict[str, Place] = {}
    for shard in found:
        try:
            faults += _members(shard, files)
        except (tarfile.TarError, OSError) as error:
            faults.append(f"{shard.name}: cannot be read ({error})")
    folders = _folders(files)
    faults += [f"'{name}' is a file and a folder" for name in sorted(folders.keys() & files.keys())]
    if faults:
        raise DataError(f"{folder}: {len(faults)} problem(s) with the packed files", faults, AGAIN)
    return Pack(state, files, folders)


def _folders(files: Iterable[str]) -> dict[str, set[str]]:
    """Return the names in each folder that a file lies in, at any depth."""
    folders: dict[str, set[str]] = {"": set()}
    for inside in files:
        known = False
        while inside and not known:
            above, _, name = inside.rpartition("/")
            known = above in folders
            folders.setdefault(above, set()).add(name)
            inside = above
    return folders


def _missing(found: Iterable[Path]) -> list[str]:
    """Return the shards that the names of the others count and that are not there."""
    names = {shard.name for shard in found}
    totals = sorted({match[2] for name in names if (match := SHARD.fullmatch(name))})
    if len(totals) > 1:
        return [f"shards of several packs: {', '.join(f'packed-...-of-{total}.tar' for total in totals)}"]
    expected = {f"packed-{number:05}-of-{totals[0]}.tar" for number in range(int(totals[0]))}
    return [f"{name}: no such file" for name in sorted(expected - names)]


def _members(shard: Path, files: dict[str, Place]) -> list[str]:
    """Add the members of a shard to `files`; return what is wrong with any."""
    faults = []
    with tarfile.open(shard, "r:") as tar:
        for member in tar:
            if not member.isreg():
                faults.append(f"{shard.name}: '{member.name}' is no file, expected files only")
            elif fault := name_fault(member.name):
                faults.append(f"{shard.name}: '{member.name}': {fault}")
            elif member.name in files:
                faults.append(f"{shard.name}: '{member.name}' is in {files[member.name].shard.name}, too")
            else:
                files[member.name] = Place(shard.absolute(), member.offset_data, member.size)
    with shard.open("rb") as stream:
        stream.seek(max(0, os.fstat(stream.fileno()).st_size - len(END)))
        if stream.read() != END:
            faults.append(f"{shard.name}: it ends early")
    return faults


def name_fault(name: str) -> str:
    """Return why a file may not be called so within a pack; empty where it may."""
    if name.startswith("/"):
        return "an absolute path"
    if any(part in ("", ".", "..") for part in name.split("/")):
        return "a path with '.', '..' or nothing between its slashes"
    try:
        name.encode()
    except UnicodeEncodeError:
        return "a name that is not UTF-8"
    return "a name with a null byte" if "\0" in name else ""


def repeated(names: Iterable[str], key: Any) -> list[str]:
    """Return the names that are the same as another by a key."""
    pairs = [(name, key(name)) for name in names]
    counts = Counter(one for _, one in pairs)
    return [name for name, one in pairs if counts[one] > 1]


class PackedPath(PosixPath):
    """A path within a packed folder: packed files and the folders that they were in are there as real ones are."""

    __slots__ = ()

    def _packed(self) -> tuple[Pack, str]:
        found = _locate(self)
        if found is None:  # it came from another process
            look_into(Path(self))
            found = _locate(self)
        return found or (Pack((), {}, {}), "")

    def exists(self, **options: Any) -> bool:
        """Say whether there is a file or a folder, packed or not."""
        return self.is_file() or self.is_dir()

    def is_file(self, **options: Any) -> bool:
        """Say whether it is a file, packed or not."""
        pack, inside = self._packed()
        return inside in pack.files or super().is_file()

    def is_dir(self, **options: Any) -> bool:
        """Say whether it is a folder, in the pack or beside it."""
        pack, inside = self._packed()
        return inside in pack.folders or super().is_dir()

    def iterdir(self) -> Generator[Self, None, None]:
        """Yield what is in the folder, packed or not, without the shards."""
        pack, inside = self._packed()
        names = set(pack.folders.get(inside, ()))
        if super().is_dir() or inside not in pack.folders:
            names |= {path.name for path in Path(self).iterdir() if inside or not SHARD.fullmatch(path.name)}
        return (self / name for name in sorted(names))

    def glob(self, pattern: str, **options: Any) -> Generator[Self, None, None]:
        """Yield what is in the folder and has a name of a pattern, which is of one name."""
        if self.is_dir():
            yield from (path for path in self.iterdir() if fnmatch.fnmatchcase(path.name, pattern))

    def rglob(self, pattern: str, **options: Any) -> Generator[Self, None, None]:
        """Yield what is in the folder at any depth and has a name of a pattern, which is of one name."""
        for path in self.iterdir() if self.is_dir() else ():
            if fnmatch.fnmatchcase(path.name, pattern):
                yield path
            if not path.is_file():
                yield from path.rglob(pattern)

    def open(self, mode: str = "r", *options: Any, **named: Any) -> Any:
        """Open a file, packed or not, to read it."""
        pack, inside = self._packed()
        if inside not in pack.files:
            return super().open(mode, *options, **named)
        if set(mode) & set("wax+"):
            raise PermissionError(None, "a packed file is only read", str(self))
        stream = io.BytesIO(pack.read(inside))
        if "b" in mode:
            return stream
        named.pop("buffering", None)
        given = dict(zip(("encoding", "errors", "newline"), options[1:], strict=False))
        return io.TextIOWrapper(stream, **(given | named))
