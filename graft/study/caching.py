"""The prefix cache of a study: what frozen groups return for the labelled budget, recorded once for all trials."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, replace

from graft.backbones import layer_groups, renew_head
from graft.manifest import write_whole
from graft.settings import settings
from graft.strategies import count_frozen
from graft.study.candidates import Candidate
from graft.study.trial import Bench, Recording
from graft.training.activations import Activations
from graft.training.device import make_accelerator, peak_memory_bytes
from graft.training.feed import Feed
from graft.training.flops import count_flops
from graft.training.recording import record

log = logging.getLogger(__name__)
GIGABYTE = 10**9


def with_prefix(bench: Bench, candidates: Sequence[Candidate], store: str) -> Bench:
    """Return the bench with the prefix at every boundary that a candidate freezes; `store` names its folder.

    The rows of an earlier study with the same source are read from that folder and not run again.
    """
    accelerator = make_accelerator()
    model = accelerator.prepare(renew_head(bench.source, bench.problem, bench.labels, seed=0))
    names = [group.name for group in layer_groups(model)]
    legs = [leg for candidate in candidates if candidate.role == "candidate" for leg in candidate.legs]
    boundaries = {count_frozen([leg], names) for leg in legs} - {0}
    budget = int(settings().cache_gigabytes * GIGABYTE)
    if not boundaries or not budget:
        return bench
    feed = Feed.of(bench.problem, bench.examples, bench.processor, accelerator.device)
    room = Activations(budget, accelerator.device, settings().work / "activations" / store)
    started, batch = time.perf_counter(), bench.study.batch_size
    prefix, flops = count_flops(lambda: record(model, feed, sorted(boundaries), room, batch, accelerator.autocast))
    seconds = round(time.perf_counter() - started, 3)
    room.forget_others()  # a source that was trained anew leaves nothing behind that would fill the disk
    if prefix.boundaries:
        found = f", {room.found_bytes / 1e6:.2g} MB of it from an earlier study" if room.found_bytes else ""
        size, at = room.used_bytes / 1e6, _listed(prefix.boundaries)
        log.info("prefix cache: %d rows at boundaries %s, %.2g MB%s", len(feed), at, size, found)
    cost = _first(bench, Recording(len(feed), seconds, flops, peak_memory_bytes()))
    return replace(bench, prefix=prefix, recording=cost)


def _first(bench: Bench, cost: Recording) -> Recording:
    """Return what the recording cost when the study began: one that was killed finds the activations on disk."""
    path = bench.folder / "recording.json"
    try:
        return Recording(**json.loads(path.read_text()))
    except FileNotFoundError:
        write_whole(path, json.dumps(asdict(cost)))
        return cost


def _listed(boundaries: Sequence[int]) -> str:
    return ", ".join(map(str, boundaries))
