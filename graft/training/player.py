"""The player: it answers for frozen modules with what they returned before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from graft.training.replay import Call
from graft.training.trees import Form, Rebuild


class Stored(Protocol):
    """Rows of one tensor, wherever they lie."""

    def get(self, positions: Sequence[int]) -> torch.Tensor:
        """Return rows (len(positions), ...) as a tensor of their own."""


@dataclass(frozen=True)
class Output:
    """How one call's output is put together from tensors of known form."""

    rebuild: Rebuild
    forms: tuple[Form, ...]


@dataclass
class Bucket:
    """Rows of one width, and what the prefix returns for them."""

    rows: list[int]
    outputs: dict[Call, Output]
    shelves: Mapping[tuple[Call, int], Stored] = field(default_factory=dict)

    def fetch(self, call: Call, positions: Sequence[int]) -> list[torch.Tensor | None]:
        """Return the stored rows of each tensor of a call; None where a tensor is the same for all rows."""
        tensors = range(len(self.outputs[call].forms))
        return [self.shelves[call, i].get(positions) if (call, i) in self.shelves else None for i in tensors]


@dataclass(frozen=True)
class Plan:
    """What a boundary plays back."""

    calls: tuple[Call, ...]
    """All calls of frozen modules, in order."""
    kept: frozenset[Call]
    """Those whose output is played; the others return zeros."""
    writable: bool
    """Whether the zeros must be real memory, because the model writes into them."""


class Player:
    """Answers for the frozen modules of one boundary. Call it with the rows of a batch before each forward pass."""

    def __init__(
        self, plan: Plan, device: torch.device, find: Callable[[Sequence[int]], tuple[Bucket, list[int]]]
    ) -> None:
        self._plan, self._device, self._find = plan, device, find
        self._waiting: dict[str, list[Call]] = {}
        self._blanks: list[tuple[torch.Tensor, int]] = []
        self._bucket: Bucket | None = None

    def __call__(self, rows: Sequence[int]) -> None:
        """Say which rows the next forward pass is for, in the order of the batch."""
        self._bucket, self._positions = self._find(rows)
        self._count = len(rows)
        self._waiting, self._blanks = {}, []
        for call in self._plan.calls:
            self._waiting.setdefault(call.path, []).append(call)

    @property
    def paths(self) -> tuple[str, ...]:
        """The modules it answers for."""
        return tuple(dict.fromkeys(call.path for call in self._plan.calls))

    @property
    def was_written_into(self) -> bool:
        """Say whether the model has written into zeros during the last forward pass."""
        return any(blank._version != version for blank, version in self._blanks)

    def play(self, path: str) -> Any:
        """Return what the module returned when it was recorded, or zeros of that form."""
        if self._bucket is None or not self._waiting.get(path):
            raise RuntimeError(f"{path} is called without rows or more often than recorded; name the rows of each pass")
        call = self._waiting[path].pop(0)
        output = self._bucket.outputs[call]
        if call not in self._plan.kept:
            blanks = [form.blank(self._count, self._device, self._plan.writable) for form in output.forms]
            self._blanks += [(blank, blank._version) for blank in blanks]
            return output.rebuild(blanks)
        stored = self._bucket.fetch(call, self._positions)
        return output.rebuild(
            [
                form.blank(self._count, self._device, False) if rows is None else form.from_rows(rows.to(self._device))
                for form, rows in zip(output.forms, stored, strict=True)
            ]
        )
