"""Put a folder of many small files into a few tar shards, the same bytes for the same files on any machine."""

from __future__ import annotations

import io
import os
import shutil
import stat
import tarfile
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from graft.errors import DataError
from graft.reading.formats import shorten
from graft.reading.layout import KINDS
from graft.reading.shards import SHARD, name_fault

SHARD_BYTES = 128 * 1024**2
"""A shard is no larger: one object to push again when a push breaks off, and files beyond it are small no more."""
MANY = 500
"""From so many files on a folder is packed: below, a push or a pull gains a second or two (see docs/data.md)."""
SMALL = 1024**2
"""Mean bytes of a file up to which each costs DVC and a remote more for being an object than for its bytes."""
ROWS = frozenset({*KINDS, ".arrow"})
"""Suffixes of files of rows, which their readers open whole: they stay what they are, to be looked at and corrected."""


@dataclass(frozen=True)
class Found:
    """A file to bring: its name within the folder, where it is, and its size."""

    name: str
    path: Path
    bytes: int

    @property
    def packable(self) -> bool:
        """Say whether it goes into a shard."""
        return Path(self.name).suffix.lower() not in ROWS and self.bytes <= SHARD_BYTES


def survey(origin: Path, pack: bool | None = None) -> tuple[list[Found], bool]:
    """Return the files of a folder by name, links followed, and whether to pack them: None decides by the files.

    Raises DataError listing everything that cannot be brought so.
    """
    faults: list[str] = []
    found = sorted(_walk(origin, "", frozenset(), faults), key=lambda file: file.name)
    if not found and not faults:
        raise DataError(f"{origin}: no data found, the folder holds no file")
    packed = worth_packing(found) if pack is None else pack
    faults += [f"{file.name!a}: {fault}" for file in found if (fault := name_fault(file.name))]
    if packed:
        faults += _clashes([file.name for file in found])
    if faults:
        raise DataError(f"{origin}: {len(faults)} problem(s) with the files", shorten(faults))
    return found, packed


def _clashes(names: Sequence[str]) -> list[str]:
    """Return the names that are one on a system that normalises them, and those of shards."""
    same = Counter(unicodedata.normalize("NFC", name) for name in names)
    alike = [name for name in names if same[unicodedata.normalize("NFC", name)] > 1]
    return [
        *(f"{name!a}: another file has that name, written with other code points" for name in alike),
        *(f"{name}: packed already; --no-pack brings it as it is" for name in names if SHARD.fullmatch(name)),
    ]


def _walk(folder: Path, inside: str, above: frozenset[str], faults: list[str]) -> Iterator[Found]:
    here = os.path.realpath(folder)
    if here in above:
        faults.append(f"{inside!a}: a link to a folder that it lies in")
        return
    try:
        paths = [*folder.iterdir()]
    except OSError as error:
        faults.append(f"{inside!a}: cannot be read ({error.strerror})")
        return
    for path in paths:
        name = f"{inside}/{path.name}" if inside else path.name
        try:
            facts = path.stat()
        except OSError as error:
            what = f"a link to {path.readlink()}, which is not there" if path.is_symlink() else error.strerror
            faults.append(f"{name!a}: {what}")
            continue
        if stat.S_ISDIR(facts.st_mode):
            yield from _walk(path, name, above | {here}, faults)
        elif not stat.S_ISREG(facts.st_mode):
            faults.append(f"{name!a}: neither a file nor a folder")
        elif not os.access(path, os.R_OK):
            faults.append(f"{name!a}: cannot be read (Permission denied)")
        else:
            yield Found(name, path, facts.st_size)


def worth_packing(files: Sequence[Found]) -> bool:
    """Say whether a folder holds many small files; one that is packed already does not."""
    sizes = [file.bytes for file in files if file.packable]
    return len(sizes) >= MANY and sum(sizes) <= SMALL * len(sizes) and not any(SHARD.fullmatch(f.name) for f in files)


def write_shards(files: Sequence[Found], folder: Path) -> int:
    """Write files into shards in a folder, those that stay files beside them, and return how many shards there are.

    A shard is a tar file (POSIX.1-2001) of members in the order of their names, without owner, time or rights: it
    depends on names and contents alone. One file at a time is in memory.
    """
    groups = [*_groups([file for file in files if file.packable])]
    for number, group in enumerate(groups):
        shard = folder / f"packed-{number:05}-of-{len(groups):05}.tar"
        with tarfile.open(shard, "w", format=tarfile.PAX_FORMAT) as tar:
            for file in group:
                content = _read(file)
                member = tarfile.TarInfo(file.name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    for file in files:
        if not file.packable:
            place = folder / file.name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.path, place)
    return len(groups)


def _groups(files: Sequence[Found]) -> Iterator[list[Found]]:
    """Yield the files of each shard."""
    group: list[Found] = []
    total = 0
    for file in files:
        taken = file.bytes + 2 * tarfile.BLOCKSIZE  # its header, and what fills its last block
        if group and total + taken > SHARD_BYTES:
            yield group
            group, total = [], 0
        group.append(file)
        total += taken
    if group:
        yield group


def _read(file: Found) -> bytes:
    try:
        return file.path.read_bytes()
    except OSError as error:
        raise DataError(f"{file.path}: cannot be read ({error.strerror}), and could a moment ago") from None
