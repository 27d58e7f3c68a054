"""The prefix cache of a study: what frozen groups return for the labelled budget, recorded once for all trials."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from graft.backbones import layer_groups, renew_head
from graft.settings import settings
from graft.strategies import count_frozen
from graft.study.candidates import Candidate
from graft.study.trial import Bench
from graft.training.activations import Activations
from graft.training.device import make_accelerator
from graft.training.feed import Feed
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
    prefix = record(model, feed, sorted(boundaries), room, bench.study.batch_size, accelerator.autocast)
    room.forget_others()  # a source that was trained anew leaves nothing behind that would fill the disk
    if prefix.boundaries:
        size = room.used_bytes / 1e6
        log.info("prefix cache: %d rows at boundaries %s, %.1f MB", len(feed), _listed(prefix.boundaries), size)
    return replace(bench, prefix=prefix)


def _listed(boundaries: Sequence[int]) -> str:
    return ", ".join(map(str, boundaries))
