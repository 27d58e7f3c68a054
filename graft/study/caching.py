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
from graft.training.prefix import Prefix
from graft.training.recording import record

log = logging.getLogger(__name__)
GIGABYTE = 10**9


def with_prefix(bench: Bench, candidates: Sequence[Candidate], store: str) -> Bench:
    """Return the bench with the prefix at every boundary that a candidate freezes; `store` names its folder.

    Heads that read every boundary have one of their own, in which each row is its pooled features and nothing else; it
    takes a pass of its own.
    The rows of an earlier study with the same source are read from that folder and not run again.
    """
    accelerator, names = make_accelerator(), [group.name for group in layer_groups(bench.source)]
    tried = [one for one in candidates if one.role == "candidate"]
    boundaries = {
        wide: {count_frozen([leg], names) for one in tried if one.reads_all == wide for leg in one.legs} - {0}
        for wide in (False, True)
    }
    budget = int(settings().cache_gigabytes * GIGABYTE)
    if not any(boundaries.values()) or not budget:
        return bench
    feed = Feed.of(bench.problem, bench.examples, bench.processor, accelerator.device)
    room = Activations(budget, accelerator.device, settings().work / "activations" / store)
    started, batch = time.perf_counter(), bench.study.batch_size

    def record_for(wide: bool) -> Prefix | None:
        if not boundaries[wide]:
            return None
        plain = bench.wide if wide else bench.source
        model = accelerator.prepare(renew_head(plain, bench.problem, bench.labels, seed=0))
        return record(model, feed, sorted(boundaries[wide]), room, batch, accelerator.autocast)

    (prefix, wide_prefix), flops = count_flops(lambda: (record_for(False), record_for(True)))
    seconds = round(time.perf_counter() - started, 3)
    room.forget_others()  # a source that was trained anew leaves nothing behind that would fill the disk
    kept = [_listed(prefix.boundaries)] if prefix and prefix.boundaries else []
    kept += ["of all together"] if wide_prefix and wide_prefix.boundaries else []
    if kept:
        found = f", {room.found_bytes / 1e6:.2g} MB of it from an earlier study" if room.found_bytes else ""
        size, at = room.used_bytes / 1e6, " and ".join(kept)
        log.info("prefix cache: %d rows at boundaries %s, %.2g MB%s", len(feed), at, size, found)
    cost = _first(bench, Recording(len(feed), seconds, flops, peak_memory_bytes()))
    return replace(bench, prefix=prefix, wide_prefix=wide_prefix, recording=cost)


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
