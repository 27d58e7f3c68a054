"""The prefix cache: frozen lower layer groups run once over the rows, and are played back in every trial.

Boundary k means that the first k layer groups are frozen. One pass fills all boundaries asked for. In replay the last
frozen module that runs gives back what was recorded, the others zeros of the recorded shape that cost nothing: a
network that runs its groups one after the other reads nothing else. Where one does, the output of each frozen group
is kept; where that is not enough either, the cache is off for that boundary, and says why.

What is exact, as measured on a CPU in float32 with one and two threads (torch 2.15, MKL and oneDNN). A row's output has
the same bits in whatever company and order it runs, as long as
- the batch holds more than one row (a convolution over one image takes another path, a matrix product of fewer
  than about 16 rows of numbers, as tokens or pooled vectors are, another kernel),
- it is padded to the same width (attention over 30 tokens sums in another order than over the same 30 padded to 40: one
  row in five changed its last bit; with `eager` attention none did), and
- no linear layer reads 6, 10 or 14 numbers (MKL treats rows by their place then; nothing real is that narrow).
Hence batches are cut by width (see `batches`) and never to a single row where two are there; and a cache is used only
after a batch that was composed differently went both ways: equal to the bit on a CPU in float32, and to within
`TOLERANCE` of the largest logit elsewhere, where kernels differ by the size of the batch.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch

from graft.backbones import LayerGroup
from graft.training.feed import Feed
from graft.training.player import Bucket, Plan, Player
from graft.training.replay import stand_in, untouched

log = logging.getLogger(__name__)
TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 3e-2, torch.float16: 5e-3}
"""Share of the largest value by which replay may differ on a GPU or in a lower precision."""
MISLED = (RuntimeError, ValueError, TypeError, IndexError)
"""What a model may raise that reads a value where a stand-in gave zeros."""
Precision = Callable[[], AbstractContextManager[Any]]


class Prefix:
    """What the frozen lower groups of one network return for the rows of a feed. Made by `record`."""

    def __init__(
        self, groups: Sequence[LayerGroup], plans: Mapping[int, Plan], buckets: Sequence[Bucket], weights: Sequence[str]
    ) -> None:
        self._groups, self._plans, self._buckets, self._weights = groups, dict(plans), list(buckets), weights
        self.off: dict[int, str] = {}
        """Boundaries without a cache, and why."""
        self._places = {row: (i, j) for i, bucket in enumerate(buckets) for j, row in enumerate(bucket.rows)}

    @property
    def boundaries(self) -> tuple[int, ...]:
        """The boundaries that can be replayed."""
        return tuple(sorted(self._plans))

    def deepest(self, frozen_groups: int) -> int:
        """Return the deepest boundary that serves a trial whose first `frozen_groups` are frozen; 0 for no cache."""
        return max((boundary for boundary in self._plans if boundary <= frozen_groups), default=0)

    @contextmanager
    def replay(self, model: Any, boundary: int) -> Iterator[Player]:
        """Let the frozen modules of a model play back; yields the player, to be called with the rows of each batch.

        Every forward pass inside needs `player(rows)` first; rows are numbers of the feed it was recorded from. On
        exit the model is as it was, also after an error. Raises ValueError for a boundary that has no cache, and for
        a model whose first groups would train or hold other weights than those recorded.
        """
        if boundary not in self._plans:
            raise ValueError(f"boundary {boundary}: {self.off.get(boundary, 'was not recorded')}")
        for group in self._groups[:boundary]:
            if any(model.get_parameter(name).requires_grad for name in group.weights):
                raise ValueError(f"boundary {boundary}: {group.name} trains; only frozen groups can be played back")
        if digest_groups(model, self._groups[:boundary])[-1] != self._weights[boundary - 1]:
            raise ValueError(f"boundary {boundary}: the model's frozen weights are not those that were recorded")
        with play(model, self._plans[boundary], self._find) as player:
            yield player

    def verify(
        self, model: Any, feed: Feed, rows: Sequence[int], precision: Precision = nullcontext
    ) -> dict[int, str | None]:
        """Run a batch live and from every boundary; return None for each that agrees, or what is wrong there."""
        with untouched(model), precision():
            live = answer(model(**feed.inputs(rows)))
            return {boundary: self._compare(model, plan, feed, rows, live) for boundary, plan in self._plans.items()}

    def _compare(self, model: Any, plan: Plan, feed: Feed, rows: Sequence[int], live: torch.Tensor) -> str | None:
        with play(model, plan, self._find) as player:
            player(rows)
            try:
                return differ(live, answer(model(**feed.inputs(rows))))
            except MISLED as error:
                return f"replay failed: {' '.join(str(error).split())[:200]}"

    def drop(self, boundary: int, reason: str) -> None:
        """Turn the cache off for a boundary, and say why in the log."""
        self._plans.pop(boundary, None)
        self.off[boundary] = reason
        log.warning("no prefix cache for the first %d layer groups: %s", boundary, reason)

    def _find(self, rows: Sequence[int]) -> tuple[Bucket, list[int]]:
        places = [self._places[int(row)] for row in rows]
        buckets = {bucket for bucket, _ in places}
        if len(buckets) != 1:
            raise ValueError(f"a batch must hold rows of one width; these are of {len(buckets)}")
        return self._buckets[buckets.pop()], [position for _, position in places]


@contextmanager
def playing(prefix: Prefix | None, model: Any, frozen_groups: int) -> Iterator[Player | None]:
    """Let as many of a model's first frozen groups play back as `prefix` has; yields None where it has none."""
    boundary = prefix.deepest(frozen_groups) if prefix is not None else 0
    if prefix is None or not boundary:
        yield None
    else:
        with prefix.replay(model, boundary) as player:
            yield player


def digest_groups(model: Any, groups: Sequence[LayerGroup]) -> list[str]:
    """Return for each group a sha256 over the weights and buffers of it and of all groups before it."""
    total, found = hashlib.sha256(), []
    tensors = [*model.named_parameters(), *model.named_buffers()]
    for group in groups:
        for name, tensor in tensors:
            if group.owns(name):
                value = tensor.detach().cpu().contiguous()
                total.update(f"{name} {value.dtype} {tuple(value.shape)} ".encode())
                total.update(value.flatten().view(torch.uint8).numpy().tobytes())
        found.append(total.hexdigest())
    return found


@contextmanager
def play(model: Any, plan: Plan, find: Callable[[Sequence[int]], tuple[Bucket, list[int]]]) -> Iterator[Player]:
    """Let a player answer for the frozen modules of a plan."""
    player = Player(plan, next(model.parameters()).device, find)
    with stand_in(model, {path: partial(player.play, path) for path in player.paths}):
        yield player


def answer(output: Any) -> torch.Tensor:
    """Return what a model's output is judged by: its logits, or a bare backbone's hidden state."""
    if isinstance(output, torch.Tensor):
        return output
    logits = getattr(output, "logits", None)
    return logits if isinstance(logits, torch.Tensor) else output[0]


def differ(live: torch.Tensor, played: torch.Tensor) -> str | None:
    """Return None for tensors that agree: to the bit on a CPU in float32, else within `TOLERANCE`."""
    if live.shape != played.shape or live.dtype != played.dtype:
        return f"{tuple(played.shape)} {played.dtype} instead of {tuple(live.shape)} {live.dtype}"
    if torch.equal(live, played):
        return None
    most = float((live.double() - played.double()).abs().max())
    kind, lower = live.device.type, torch.is_autocast_enabled(live.device.type)
    if kind == "cpu" and live.dtype == torch.float32 and not lower:
        return f"max difference {most:.3g} where none is allowed"
    allowed = TOLERANCE[torch.get_autocast_dtype(kind) if lower else live.dtype] * float(live.abs().max())
    return None if most <= allowed else f"max difference {most:.3g} where {allowed:.3g} is allowed"
