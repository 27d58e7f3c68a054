"""Warm start: the study of a grown dataset goes on from what an earlier one, of nearly the same rows, has found.

Nobody who was clearly behind on nearly the same rows is tried again. The chosen one and the best of those that could
have been chosen get two more trials, on the rows of now, and are judged by the trials of both studies. It is a warm
start of the search (the idea of Feurer, Springenberg and Hutter 2015, Initializing Bayesian Hyperparameter Optimization
via Meta-Learning), not of weights, which is what the strategies `champion:NAME` are for.

Only a whole search is remembered, and it counts only while none of its rows is a test row. So no study learns from a
row that it is tested on, an error is not handed down for ever, and a study that was killed finds what it had found.
"""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from graft.errors import CheckpointError, DiskFull
from graft.manifest import digest, verify_manifest
from graft.study.candidates import Candidate
from graft.study.earlier import Earlier, write_search
from graft.study.label_curve import Curve
from graft.study.study import AGAIN, Known, StudyResult
from graft.study.trial import Bench

log = logging.getLogger(__name__)
LEAST_SHARED = 0.8  # of the larger one's labelled rows: with fewer the search is made anew
NOT_SEARCHED = {"confidence", "resamples", "report", "warm_start"}  # of a study: not read by its search
TIMED = "source.json"  # of a source's files the one that also says how long it took


@dataclass(frozen=True)
class Memory:
    """The searches that are kept of one target, as seen from the rows of now."""

    folder: Path
    setting: str
    """Digest of what two searches must have in common."""
    rows: Sequence[str]
    """A hash of every labelled row, with its label and its group."""
    test: Sequence[str]
    """A hash of every test row."""
    drawn: Sequence[int]
    """Numbers of the test rows that the label curve is measured on."""

    @property
    def answered(self) -> list[str]:
        """The hashes of these."""
        return [self.test[row] for row in self.drawn]

    def recall(self) -> Earlier | None:
        """Return the earlier search that shares the most rows with now, where one shares enough of them."""
        fit = [one for one in self._kept() if self._continues(one)]
        return max(fit, key=self.shared, default=None)

    def keep(self, result: StudyResult, curve: Curve) -> None:
        """Remember a whole search, and forget those that no study of these or more rows can go on from."""
        for one in self._kept():
            if not self._continues(one):
                shutil.rmtree(one.folder, ignore_errors=True)
        facts = {"setting": self.setting, "rows": list(self.rows), "test": self.answered}
        try:
            write_search(self.folder / digest(facts), facts, result, curve)
        except DiskFull as error:  # the study itself is whole
            log.warning("this search will not be gone on from: %s", " ".join(str(error).split()))

    def _continues(self, one: Earlier) -> bool:
        """Say whether this search goes on from another: the same but for some rows, none of them tested on now."""
        most = max(one.rows, len(self.rows))
        if self.setting != one.found["setting"] or not LEAST_SHARED * most <= self.shared(one) < most:
            return False
        return set(self.test).isdisjoint(row.split(maxsplit=1)[0] for row in one.found["rows"])

    def shared(self, one: Earlier) -> int:
        """Return how many labelled rows an earlier search has in common with now."""
        return (Counter(one.found["rows"]) & Counter(self.rows)).total()

    def _kept(self) -> Iterator[Earlier]:
        """Yield what is whole; what is damaged is named and removed."""
        for folder in sorted(self.folder.glob("[!.]*")):
            try:
                verify_manifest(folder)
            except CheckpointError as error:
                log.warning("an earlier search is passed over: %s", " ".join(str(error).split()))
                shutil.rmtree(folder, ignore_errors=True)
            else:
                yield Earlier(folder)


def open_memory(
    folder: Path,
    bench: Bench,
    candidates: Sequence[Candidate],
    source: Mapping[str, str],
    rows: Sequence[str],
    test: Sequence[str],
    drawn: Sequence[int],
) -> Memory:
    """Return what is kept in a folder, for searches with this study and these candidates from these source files.

    A source that was pretrained again to the same bits is the same source.
    """
    asked = bench.study.model_dump(mode="json", exclude=NOT_SEARCHED)
    files = {name: sha for name, sha in source.items() if name != TIMED}
    same: dict[str, Any] = {
        "source": files,
        "labels": bench.labels,
        "study": asked,
        "candidates": [*map(asdict, candidates)],
    }
    if not bench.champion.unfit:  # trials of another one began elsewhere, and were compared on other rows
        same["champion"] = bench.champion.digest
    return Memory(folder, digest(same), rows, test, drawn)


@dataclass(frozen=True)
class Start:
    """What a search begins with."""

    candidates: list[Candidate]
    known: Known
    """Trials that an earlier search made of them."""
    left_out: Mapping[Candidate, str]
    notes: list[str]


def begin(memory: Memory, earlier: Earlier | None, candidates: list[Candidate]) -> Start:
    """Return the candidates that are tried on the rows of now, with what is known of them."""
    if earlier is None:
        return Start(candidates, {}, {}, [])
    left_out = earlier.left_out(candidates)
    note = (
        f"The search of {len(memory.rows)} labelled rows went on from an earlier one of {earlier.rows}, "
        f"{memory.shared(earlier)} of them the same. The chosen one and the best of the others that could have been "
        f"chosen got {AGAIN} more trials at the most, {len(left_out)} were not tried again, and the trials of both "
        "searches count. `study.warm_start: false` searches anew."
    )
    trying = [one for one in candidates if one not in left_out]
    log.info(note)
    notes = [f"{one.strategy} at {one.learning_rate:g} was not tried again; {why}" for one, why in left_out.items()]
    return Start(trying, earlier.outcomes(trying), left_out, [note, *notes])
