"""Folders of many small files in a few tar shards, read where they lie and never unpacked.

A packed folder holds `packed-00000-of-00003.tar` and so on, and beside them the files that were not packed. A path of
such a folder sees every file where it was before, so that a reader, a message and a row are the same either way.
"""

from __future__ import annotations

import fnmatch
import io
import os
from collections.abc import Generator
from pathlib import Path, PosixPath
from typing import Any, Self

from graft.reading.shards import SHARD, Pack, find_shards, read_index, states

_OPENED: dict[str, Pack] = {}
"""Packs by the absolute path of their folder."""


def look_into(path: Path) -> Path:
    """Return a path that sees packed files, where it or a folder above it is packed; else the path as it is.

    Raises DataError listing every shard that is missing, damaged or holds what no pack may hold.
    """
    for folder in (path, *path.parents):
        if found := find_shards(folder):
            root = _absolute(folder)
            if root not in _OPENED or _OPENED[root].state != states(found):
                _OPENED[root] = read_index(folder, found)
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


def _absolute(path: str | Path) -> str:
    """Return a path from the root on, without `..`: files that are named by a table often begin with it."""
    return os.path.abspath(path)  # noqa: PTH100 - resolve() would follow links, as DVC makes them into its cache


def _locate(path: str | Path) -> tuple[Pack, str] | None:
    """Return the opened pack that a path is of, and the path within it, '' for its own folder."""
    whole = _absolute(path)
    for root, pack in tuple(_OPENED.items()):  # another thread may open one
        if whole.startswith(root) and whole[len(root) : len(root) + 1] in ("", "/"):
            return pack, whole[len(root) + 1 :]
    return None


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
