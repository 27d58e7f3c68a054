"""Where recorded activations live: GPU memory, else RAM, else a memory map; and on disk from one study to the next.

On disk each shelf is a folder named by its digest, with one part per recording: `values.npy` (rows, ...), the
fingerprints of the rows, and a manifest, written whole. A grown dataset adds a part; a damaged part is named in the
log, removed, and its rows are computed again.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import torch

from graft.errors import CheckpointError
from graft.manifest import digest, verify_manifest, whole_folder

log = logging.getLogger(__name__)
GPU_SHARE = 0.5  # of the free memory: a trial needs the rest for the suffix that it trains


class NoRoom(Exception):
    """Activations fit nowhere; the message says where they were tried."""


class Activations:
    """Room for recorded activations within a budget of memory; what does not fit is placed lower, and the log says so.

    `budget_bytes` counts GPU memory and RAM together. Without a `folder` nothing outlives the process, and there is
    no memory map to fall back to.
    """

    def __init__(self, budget_bytes: int, device: torch.device | str = "cpu", folder: Path | None = None) -> None:
        self.budget_bytes, self.device, self.folder = budget_bytes, torch.device(device), folder
        self.used_bytes = 0
        self.found_bytes = 0
        """Of these, what an earlier study left on disk."""
        self._opened: set[str] = set()

    def open(self, name: str, keys: Sequence[str], shape: Sequence[int], dtype: torch.dtype, title: str) -> Shelf:
        """Return the shelf `name` (a digest) for rows of some fingerprints; raises NoRoom where it fits nowhere.

        Rows that an earlier study left on disk under the same name are there at once. `title` names it in the log.
        """
        self._opened.add(name)
        needed = len(keys) * prod(shape) * dtype.itemsize
        folder = None if self.folder is None else self.folder / name
        parts = [] if folder is None else list(_parts(folder))
        where = self._place(needed, title)
        if where is not None:
            self.used_bytes += needed
        shelf = Shelf(folder, parts, keys, tuple(shape), dtype, where)
        self.found_bytes += (len(keys) - len(shelf.missing)) * prod(shape) * dtype.itemsize
        return shelf

    def forget_others(self) -> None:
        """Remove from disk what was not opened here: another source's, or another processor's."""
        if self.folder is not None and self.folder.is_dir():
            for path in self.folder.iterdir():
                if path.name not in self._opened:
                    shutil.rmtree(path, ignore_errors=True)

    def _place(self, needed: int, title: str) -> torch.device | None:
        """Return the device that so many bytes go to, or None for the memory map."""
        left = self.budget_bytes - self.used_bytes
        reasons = [] if needed <= left else [f"{_size(max(left, 0))} of the budget are left"]
        if not reasons and self.device.type == "cuda":
            free = int(torch.cuda.mem_get_info(self.device)[0] * GPU_SHARE)
            if needed <= free:
                return self.device
            log.info("%s: %s of activations go to RAM, %s may be used on the GPU", title, _size(needed), _size(free))
        if not reasons and needed > (free := _free_ram()):
            reasons.append(f"{_size(free)} of RAM are free")
        if not reasons:
            return torch.device("cpu")
        if self.folder is None:
            raise NoRoom(f"{_size(needed)} of activations do not fit ({reasons[0]}), and there is no folder for a map")
        self.folder.mkdir(parents=True, exist_ok=True)
        if needed > (free := shutil.disk_usage(self.folder).free):
            raise NoRoom(f"{_size(needed)} of activations do not fit ({reasons[0]}; {_size(free)} of disk are free)")
        log.info("%s: %s of activations go to a memory map, %s", title, _size(needed), reasons[0])
        return None


@dataclass(frozen=True)
class Part:
    """Rows that one recording left on disk."""

    path: Path
    keys: tuple[str, ...]

    def values(self, dtype: torch.dtype) -> torch.Tensor:
        """Return its rows as a map of the file: read where and when they are looked at."""
        return torch.from_numpy(np.load(self.path / "values.npy", mmap_mode="c")).view(dtype)


class Shelf:
    """One tensor per row of a dataset: filled once, then read in any order."""

    def __init__(
        self,
        folder: Path | None,
        parts: Sequence[Part],
        keys: Sequence[str],
        shape: tuple[int, ...],
        dtype: torch.dtype,
        device: torch.device | None,
    ) -> None:
        self._folder, self._keys, self._shape, self._dtype = folder, list(keys), shape, dtype
        self.device = device
        """Where the rows lie; None for a memory map."""
        self._closing = ExitStack()
        self._begin(parts)

    def _begin(self, parts: Sequence[Part]) -> None:
        known = {key: (slab, row) for slab, part in enumerate(parts) for row, key in enumerate(part.keys)}
        self._slabs = [part.values(self._dtype) for part in parts]
        self._spots = [known.get(key) for key in self._keys]
        self.missing = [position for position, spot in enumerate(self._spots) if spot is None]
        """Positions of rows that are to be put."""
        self._fresh = list(self.missing)
        if self.missing:
            self._spread()

    def _spread(self) -> None:
        """Make room for the missing rows: in memory, or in a file that becomes the next part."""
        shape = (len(self.missing), *self._shape)
        if self.device is not None or self._folder is None:
            self._new = torch.empty(shape, dtype=self._dtype, device=self.device)
        else:
            partial = self._closing.enter_context(whole_folder(self._part_path()))
            self._file = np.lib.format.open_memmap(
                partial / "values.npy", mode="w+", dtype=_stored(self._dtype), shape=shape
            )
            self._write_keys(partial)
            self._new = torch.from_numpy(self._file).view(self._dtype)
        for row, position in enumerate(self.missing):
            self._spots[position] = (len(self._slabs), row)
        self._slabs.append(self._new)

    def put(self, positions: Sequence[int], values: torch.Tensor) -> None:
        """Store rows (len(positions), ...); those that are there already are left alone."""
        waiting = set(self._fresh)
        pairs = [(self._spot(position)[1], i) for i, position in enumerate(positions) if position in waiting]
        if pairs:
            rows, chosen = (torch.tensor(side) for side in zip(*pairs, strict=True))
            self._new[rows.to(self._new.device)] = values[chosen.to(values.device)].to(self._new.device)

    def seal(self) -> None:
        """Write the new rows to disk, where there is a folder, and bring all rows to where they are read from."""
        if self._fresh and self._folder is not None:
            if self.device is None:
                self._file.flush()
                self._closing.close()
                self._slabs[-1] = Part(self._part_path(), ()).values(self._dtype)
            else:
                with whole_folder(self._part_path()) as partial:
                    np.save(partial / "values.npy", self._new.cpu().view(_bits(self._dtype)).numpy())
                    self._write_keys(partial)
        if self.device is not None and not (self._fresh and len(self._slabs) == 1):  # else all are new, and in order
            everything = range(len(self._keys))
            self._slabs = [self._gather(everything).to(self.device)]
            self._spots = [(0, position) for position in everything]
        self.missing, self._fresh = [], []

    def get(self, positions: Sequence[int]) -> torch.Tensor:
        """Return rows (len(positions), ...) as a tensor of their own, on the shelf's device."""
        return self._gather(positions)

    def forget(self) -> None:
        """Drop what an earlier study left on disk, because it is not what the network gives here."""
        self.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._begin([])

    def close(self) -> None:
        """Give up a recording that was not sealed; nothing half-written stays."""
        given_up = InterruptedError("the recording was given up")
        self._closing.pop_all().__exit__(type(given_up), given_up, None)

    def _gather(self, positions: Sequence[int]) -> torch.Tensor:
        spots = [self._spot(position) for position in positions]
        if len(self._slabs) == 1:
            slab = self._slabs[0]
            return slab[torch.tensor([row for _, row in spots], device=slab.device)]
        found = torch.empty((len(spots), *self._shape), dtype=self._dtype, device=self.device)
        for number, slab in enumerate(self._slabs):
            pairs = [(i, row) for i, (owner, row) in enumerate(spots) if owner == number]
            if pairs:
                places, rows = (torch.tensor(side, device=slab.device) for side in zip(*pairs, strict=True))
                found[places.to(found.device)] = slab[rows].to(found.device)
        return found

    def _spot(self, position: int) -> tuple[int, int]:
        spot = self._spots[position]
        assert spot is not None
        return spot

    def _part_path(self) -> Path:
        assert self._folder is not None
        return self._folder / f"part-{digest({'keys': [self._keys[position] for position in self._fresh]})}"

    def _write_keys(self, partial: Path) -> None:
        (partial / "keys.json").write_text(json.dumps([self._keys[position] for position in self._fresh]))


def _parts(folder: Path) -> Iterator[Part]:
    """Yield the whole parts of a shelf; a damaged one is named and removed."""
    for path in sorted(folder.glob("part-*")):
        try:
            verify_manifest(path)
            yield Part(path, tuple(json.loads((path / "keys.json").read_text())))
        except CheckpointError as error:
            log.warning("activations are computed again: %s", " ".join(str(error).split()))
            shutil.rmtree(path, ignore_errors=True)


def _bits(dtype: torch.dtype) -> torch.dtype:
    """Return the type that numpy can hold for types that it does not know."""
    return torch.int16 if dtype is torch.bfloat16 else dtype


def _stored(dtype: torch.dtype) -> np.dtype:
    return torch.empty(0, dtype=_bits(dtype)).numpy().dtype


def _free_ram() -> int:
    """Return the bytes of RAM that can be taken without swapping; what Linux reports, or no limit elsewhere."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 2**62
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
