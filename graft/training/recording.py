"""One pass over the rows fills every boundary of a prefix."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from graft.backbones import LayerGroup, layer_groups
from graft.manifest import digest, versions
from graft.training.activations import Activations, NoRoom, Shelf
from graft.training.batches import FEWEST, count_at_once, paired
from graft.training.device import use_threads
from graft.training.feed import Feed
from graft.training.player import Bucket, Output, Plan
from graft.training.prefix import MISLED, Precision, Prefix, answer, differ, digest_groups, play
from graft.training.replay import Call, Heard, hear, listen, untouched
from graft.training.trees import Form

log = logging.getLogger(__name__)
RECORDED = 64  # rows run together at most


def record(
    model: Any,
    feed: Feed,
    boundaries: Sequence[int],
    activations: Activations,
    batch_size: int = RECORDED,
    precision: Precision = nullcontext,
) -> Prefix:
    """Run the rows of a feed through a network once and return the prefix for every boundary that can be replayed.

    Boundary k freezes the first k layer groups. Rows that `activations` has on disk are not run again, but for one
    batch of each width, which is compared with what is stored. `batch_size` is that of the trials: the batches that
    verify the cache are as large. `precision` is the context in which trials run their forward passes. Boundaries
    without a cache are in `off`, with the reason, which is logged too. Augmentation is off: rows are recorded as they
    are.
    """
    return _Recording(model, feed, sorted(set(boundaries)), activations, batch_size, precision).go()


class _Recording:
    """One pass over the rows, in progress."""

    def __init__(
        self,
        model: Any,
        feed: Feed,
        boundaries: Sequence[int],
        activations: Activations,
        batch_size: int,
        precision: Precision,
    ) -> None:
        self.groups = layer_groups(model)
        unfit = [boundary for boundary in boundaries if not 0 < boundary < len(self.groups)]
        if unfit or not boundaries or not len(feed):
            raise ValueError(f"boundaries {list(boundaries)} of {len(self.groups)} groups, {len(feed)} rows to record")
        self.model, self.feed, self.activations = model, feed, activations
        self.boundaries, self.batch_size, self.precision = boundaries, batch_size, precision
        self.weights = digest_groups(model, self.groups[: boundaries[-1]])
        self.plans: dict[int, Plan] = {}
        self.off: dict[int, str] = {}
        self.shelves: list[dict[tuple[Call, int], Shelf]] = []

    def go(self) -> Prefix:
        use_threads(self.model)
        buckets: list[Bucket] = []
        try:
            with untouched(self.model), self.precision():
                for width, rows in self._rows_by_width():
                    buckets.append(self._record(width, rows, first=not buckets))
        except BaseException:
            for shelf in (shelf for shelves in self.shelves for shelf in shelves.values()):
                shelf.close()
            raise
        prefix = Prefix(self.groups, self.plans, buckets, self.weights)
        for boundary, reason in self.off.items():
            prefix.drop(boundary, reason)
        self._verify(prefix, buckets)
        return prefix

    def _rows_by_width(self) -> Iterator[tuple[int, list[int]]]:
        widths = np.zeros(len(self.feed), np.int64) if self.feed.widths is None else self.feed.widths
        for width in np.unique(widths):
            yield int(width), paired(np.flatnonzero(widths == width).tolist(), self.feed.widths)

    def _record(self, width: int, rows: list[int], first: bool) -> Bucket:
        """Run the rows of one width; the first batch also shows what there is to keep."""
        probe = next(_cut(rows, width))
        with hear(self.model, self.groups, self.boundaries[-1]) as heard:
            live = answer(self._run(probe))
        bucket = Bucket(rows, {one.call: _output(one, len(probe)) for one in heard if one.rebuild is not None})
        if first:
            self._plan(heard, live, bucket, probe)
        shelves = self._open(width, bucket)
        bucket.shelves = shelves
        self.shelves.append(shelves)
        for one in heard:
            self._keep(bucket, shelves, one, range(len(probe)))
        self._fill(width, bucket, shelves)
        for shelf in shelves.values():
            shelf.seal()
        return bucket

    def _plan(self, heard: Sequence[Heard], live: torch.Tensor, bucket: Bucket, probe: list[int]) -> None:
        """Find for each boundary the least that must be kept for the first batch to come out the same."""
        held = {(one.call, i): _Held(rows) for one in heard for i, rows in _rows(bucket, one)}
        trial = Bucket(probe, bucket.outputs, held)
        for boundary in self.boundaries:
            reason = _out_of_order(heard, boundary, self.groups) or _unreadable(heard, boundary)
            if reason is None:
                for plan in _plans([one.call for one in heard if one.call.group < boundary]):
                    wrong = self._try(plan, trial, live)
                    if wrong is None:
                        self.plans[boundary] = plan
                        break
                    reason = reason or wrong
                    log.info("boundary %d needs more than %s: %s", boundary, _describe(plan), wrong)
            if boundary not in self.plans:
                self.off[boundary] = str(reason)

    def _try(self, plan: Plan, trial: Bucket, live: torch.Tensor) -> str | None:
        with play(self.model, plan, lambda rows: (trial, list(range(len(rows))))) as player, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns, once per process, of what is asked of the player here
            player(trial.rows)
            try:
                wrong = differ(live, answer(self._run(trial.rows)))
            except MISLED as error:
                return " ".join(str(error).split())[:200]
            return wrong or ("the model writes into it" if player.was_written_into and not plan.writable else None)

    def _open(self, width: int, bucket: Bucket) -> dict[tuple[Call, int], Shelf]:
        """Return shelves for all that is kept; a boundary without room for its own is off."""
        shelves: dict[tuple[Call, int], Shelf] = {}
        for boundary, plan in list(self.plans.items()):
            try:
                for call in sorted(plan.kept, key=plan.calls.index):
                    for i, form in enumerate(bucket.outputs[call].forms):
                        if form.constant is None and (call, i) not in shelves:
                            shelves[call, i] = self._shelf(call, i, form, width, bucket, f"boundary {boundary}")
            except NoRoom as error:
                del self.plans[boundary]
                self.off[boundary] = str(error)
        return shelves

    def _shelf(self, call: Call, index: int, form: Form, width: int, bucket: Bucket, title: str) -> Shelf:
        name = digest(
            {
                "weights": self.weights[call.group],
                "tensor": [call.path, call.number, index, list(form.shape), list(form.order), str(form.dtype)],
                "width": width,
                "processing": self.feed.processing,
                "device": str(next(self.model.parameters()).device.type),
                "lower precision": torch.is_autocast_enabled(next(self.model.parameters()).device.type),
                "versions": {name: known for name, known in versions().items() if name in ("torch", "transformers")},
            }
        )
        keys = [self.feed.keys[row] for row in bucket.rows]
        return self.activations.open(name, keys, form.shape, form.dtype, title)

    def _keep(
        self, bucket: Bucket, shelves: dict[tuple[Call, int], Shelf], one: Heard, positions: Sequence[int]
    ) -> None:
        """Store what was heard; what is on disk from before must agree with it, or is forgotten."""
        for i, rows in _rows(bucket, one):
            if (shelf := shelves.get((one.call, i))) is None:
                continue
            missing = set(shelf.missing)
            known = [position for position in positions if position not in missing]
            if known and (wrong := differ(rows[known], shelf.get(known))):
                log.warning("activations of %s on disk are not what it returns here (%s): again", one.call.path, wrong)
                shelf.forget()
            shelf.put(positions, rows)

    def _fill(self, width: int, bucket: Bucket, shelves: dict[tuple[Call, int], Shelf]) -> None:
        """Run the rows that are not stored yet, each once."""
        done = len(next(_cut(bucket.rows, width)))
        lacking = sorted({position for shelf in shelves.values() for position in shelf.missing} - set(range(done)))
        others = [position for position in range(len(bucket.rows)) if position not in set(lacking)]
        short = max(0, min(FEWEST, len(bucket.rows)) - len(lacking)) if lacking else 0

        def store(one: Heard) -> None:
            for i, rows in _rows(bucket, one):
                if (one.call, i) in shelves:
                    shelves[one.call, i].put(positions, rows)

        for positions in _cut(lacking + others[:short], width):
            with listen(self.model, {call for call, _ in shelves}, store):
                self._run([bucket.rows[position] for position in positions])

    def _verify(self, prefix: Prefix, buckets: Sequence[Bucket]) -> None:
        """Turn boundaries off where a batch of other company and order than recorded comes out otherwise."""
        for bucket in buckets:
            mixed = [*bucket.rows[::-2], *bucket.rows[-2::-2]][: max(2, self.batch_size)]
            for boundary, wrong in prefix.verify(self.model, self.feed, mixed, self.precision).items():
                if wrong:
                    prefix.drop(boundary, wrong)

    def _run(self, rows: Sequence[int]) -> Any:
        return self.model(**self.feed.inputs(rows))


@dataclass(frozen=True)
class _Held:
    """Rows of the first batch, played back while it is found out what must be kept."""

    rows: torch.Tensor

    def get(self, positions: Sequence[int]) -> torch.Tensor:
        return self.rows[list(positions)]


def _cut(rows: Sequence[int], width: int) -> Iterator[list[int]]:
    """Yield batches of near-equal size."""
    if rows:
        count = -(-len(rows) // count_at_once(RECORDED, width))
        yield from (part.tolist() for part in np.array_split(np.asarray(rows), count))


def _output(one: Heard, rows: int) -> Output:
    assert one.rebuild is not None
    return Output(one.rebuild, tuple(Form.of(tensor, rows) for tensor in one.tensors))


def _rows(bucket: Bucket, one: Heard) -> Iterator[tuple[int, torch.Tensor]]:
    """Yield the tensors of an output that have an axis of rows, as rows; raises ValueError for another form."""
    output = bucket.outputs.get(one.call)
    for i, tensor in enumerate(one.tensors if output else ()):
        form = output.forms[i] if output else None
        if form is not None and form.constant is None:
            yield i, form.to_rows(tensor)


def _plans(calls: Sequence[Call]) -> Iterator[Plan]:
    """Yield what may be kept, the least first: the last output, the last one of each group, and all of the last group.

    The stem of a decoder with rotary positions is two modules that the first layer reads: embeddings, then positions.
    """
    last = frozenset(calls[-1:])
    each = frozenset({call.group: call for call in calls}.values())
    whole = each | frozenset(call for call in calls if call.group == calls[-1].group)
    for kept in dict.fromkeys((last, each, whole)):
        for writable in (False, True):
            yield Plan(tuple(calls), kept, writable)


def _describe(plan: Plan) -> str:
    return f"{len(plan.kept)} output(s){' and zeros to write into' if plan.writable else ''}"


def _out_of_order(heard: Sequence[Heard], boundary: int, groups: Sequence[LayerGroup]) -> str | None:
    """Say where a frozen module runs after one that trains: what it returns may change with every step."""
    trained: Heard | None = None
    for one in heard:
        if one.call.group >= boundary:
            trained = trained or one
        elif trained is not None:
            return f"{one.call.path} ({groups[one.call.group].name}) runs after {trained.call.path}, which trains"
    return None if any(one.call.group < boundary for one in heard) else "none of the frozen groups runs a module"


def _unreadable(heard: Sequence[Heard], boundary: int) -> str | None:
    one = next((one for one in heard if one.call.group < boundary and one.trouble), None)
    return None if one is None else f"{one.call.path} returns {one.trouble}, which cannot be stored"
