"""The processes that train one model together: each has a share of every step's rows, and all have the same weights.

Gradients are added up after the backward pass, not during it as torch's DistributedDataParallel does: there a process
whose memory overflows in the middle leaves the others waiting. Here they tell each other first how it went.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from torch import distributed

from graft.errors import Killed
from graft.training.batches import divide

BUCKET = 2**24
"""Numbers that are added up at once (64 MiB of float32): the copy that this takes stays small, and messages are few."""


class Together:
    """This process among those of one training; alone, everything here gives back what it got."""

    def __init__(self, accelerator: Accelerator) -> None:
        self.count, self.rank = int(accelerator.num_processes), int(accelerator.process_index)
        self._device = accelerator.device

    @property
    def alone(self) -> bool:
        """Say whether this is the only process."""
        return self.count == 1

    @property
    def first(self) -> bool:
        """Say whether this is the process that scores, writes and reports."""
        return self.rank == 0

    def shares(self, rows: int) -> list[slice]:
        """Return which of the rows of a step each process has: near-equal runs, in order."""
        return divide(slice(0, rows), self.count)

    def add(self, numbers: Sequence[float]) -> list[float]:
        """Return the sums over all processes of these numbers."""
        if self.alone:
            return list(numbers)
        sums = torch.tensor(numbers, dtype=torch.float64, device=self._device)
        with _company():
            distributed.all_reduce(sums)
        return list(sums.tolist())

    def tell(self, numbers: Sequence[float]) -> list[float]:
        """Return the first process's numbers, in every process; the others give as many of any value."""
        if self.alone:
            return list(numbers)
        told = torch.tensor(numbers, dtype=torch.float64, device=self._device)
        with _company():
            distributed.broadcast(told, src=0)
        return list(told.tolist())

    def add_up(self, tensors: Iterable[torch.Tensor]) -> None:
        """Replace tensors, of the same shapes in every process, by their sums over all of them."""
        for bucket in [] if self.alone else _buckets(tensors):
            flat = torch.cat([tensor.reshape(-1) for tensor in bucket])
            with _company():
                distributed.all_reduce(flat)
            sizes = [tensor.numel() for tensor in bucket]
            for tensor, summed in zip(bucket, torch.split(flat, sizes), strict=True):
                tensor.copy_(summed.view_as(tensor))

    def gather(self, rows: torch.Tensor, total: int) -> torch.Tensor:
        """Return the rows of all processes in order, (total, ...), given those of this one's share."""
        if self.alone:
            return rows
        sizes = [share.stop - share.start for share in self.shares(total)]
        padded = rows.new_zeros(max(sizes), *rows.shape[1:])
        padded[: len(rows)] = rows
        found = [torch.empty_like(padded) for _ in sizes]
        with _company():
            distributed.all_gather(found, padded)
        return torch.cat([part[:size] for part, size in zip(found, sizes, strict=True)])

    def align(self, model: Any) -> None:
        """Give the model of every process the weights and buffers of the first one's."""
        for tensor in [] if self.alone else model.state_dict().values():
            with _company():
                distributed.broadcast(tensor, src=0)

    def wait(self) -> None:
        """Return when every process has come here."""
        self.add([0.0])


@contextmanager
def _company() -> Iterator[None]:
    """Raise Killed where another process has gone: whoever started them all says which, and how."""
    try:
        yield
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise Killed(f"another process of this training has gone ({reason})") from error


def _buckets(tensors: Iterable[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """Yield tensors of one type, in order, as many as make a bucket."""
    kinds: dict[torch.dtype, list[torch.Tensor]] = {}
    for tensor in tensors:
        bucket = kinds.setdefault(tensor.dtype, [])
        bucket.append(tensor)
        if sum(each.numel() for each in bucket) >= BUCKET:
            yield kinds.pop(tensor.dtype)
    yield from kinds.values()
