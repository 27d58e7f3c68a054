"""The shards of a packed folder: tar files whose members are read in place."""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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
            if state_of(place.shard.name, os.fstat(stream.fileno())) not in self.state:
                raise OSError(None, "the shard has changed since it was opened", str(place.shard))
            return os.pread(stream.fileno(), place.bytes, place.offset)


def find_shards(folder: Path) -> list[Path]:
    """Return the shards of a folder in order; none where it is not packed."""
    try:
        return sorted(file for file in Path(folder).iterdir() if SHARD.fullmatch(file.name))
    except OSError:
        return []


def state_of(name: str, facts: os.stat_result) -> tuple[str, int, int]:
    """Return what tells a shard from another one that took its place."""
    return name, facts.st_size, facts.st_mtime_ns


def states(found: Sequence[Path]) -> tuple[tuple[str, int, int], ...]:
    """Return the state of each shard."""
    return tuple(state_of(shard.name, shard.stat()) for shard in found)


def read_index(folder: Path, found: Sequence[Path]) -> Pack:
    """Return what the shards of a folder hold.

    Raises DataError listing every shard that is missing, damaged or holds what no pack may hold.
    """
    state = states(found)
    faults = _missing(found)
    files: dict[str, Place] = {}
    for shard in found:
        try:
            faults += _members(shard, files)
        except (tarfile.TarError, OSError) as error:
            faults.append(f"{shard.name}: cannot be read ({error})")
    folders = _folders(files)
    faults += [f"'{name}' is a file and a folder" for name in sorted(folders.keys() & files.keys())]
    faults += [f"'{name}' is in {files[name].shard.name} and beside it" for name in _beside(folder) if name in files]
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


def _beside(folder: Path) -> list[str]:
    """Return the files that lie in a folder as they are."""
    place = Path(folder)
    return [path.relative_to(place).as_posix() for path in sorted(place.rglob("*")) if path.is_file()]


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
            if not member.isreg() or member.issparse():
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
