"""An earlier search, as it is kept for the study of a grown dataset: its rows, its trials, its label curve."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from graft.manifest import whole_folder
from graft.study.candidates import Candidate
from graft.study.label_curve import Curve, Labels, choose_answers
from graft.study.selection import Standing
from graft.study.study import StudyResult
from graft.study.tables import key_of
from graft.study.trial import Outcome

FINALISTS = 2  # of each role that are tried again: the chosen one, and the best mean or the next
EVIDENCE, ANSWERS = "evidence.json", "label_curve.parquet"


@dataclass(frozen=True)
class Earlier:
    """A search of nearly the rows of now."""

    folder: Path

    @cached_property
    def found(self) -> Mapping[str, Any]:
        """What is kept of it: its rows, test rows, and candidates with their trials."""
        return dict(json.loads((self.folder / EVIDENCE).read_text()))

    @property
    def rows(self) -> int:
        """How many labelled rows it had."""
        return len(self.found["rows"])

    def outcomes(self, candidates: Sequence[Candidate]) -> dict[Candidate, list[Outcome]]:
        """Return the trials of then, for the candidates that are tried again."""
        kept = {tuple(one["key"]): one["outcomes"] for one in self.found["candidates"] if one["within"]}
        return {one: [Outcome(**row) for row in kept[key_of(one)]] for one in candidates if key_of(one) in kept}

    def left_out(self, candidates: Sequence[Candidate]) -> dict[Candidate, str]:
        """Return the candidates that are not, each with the reason.

        Of each role those go on that could have been chosen, the chosen one and the best of the others.
        """
        left = Counter[str]()
        found: dict[tuple[str, str, float], str] = {}
        for one in self.found["candidates"]:  # of each role the chosen one first, then by their means
            role = one["key"][0]
            if one["within"] and left[role] < FINALISTS:
                left[role] += 1
            else:
                found[tuple(one["key"])] = f"in the earlier search: {one['reason']}"
        return {one: found[key_of(one)] for one in candidates if key_of(one) in found}

    def curve(self, result: StudyResult, test: Sequence[str], rows: Labels) -> Curve:
        """Return the label curve of then, if it is of the choices of now and answers every test row of now, or none.

        `test` are hashes of these rows, `rows` their numbers.
        """
        path = self.folder / ANSWERS
        if self.found["chosen"] != _chosen(result) or not path.is_file():
            return Curve((), None)
        answers = choose_answers(pq.read_table(path), self.found["test"], test, rows)
        return Curve((), answers)


def write_search(folder: Path, facts: Mapping[str, Any], result: StudyResult, curve: Curve) -> None:
    """Keep a search in a folder, whole or not at all; `facts` say of which rows it is. Raises DiskFull."""
    candidates = [_evidence(one, result.outcomes) for one in (*result.standings, *result.control)]
    with whole_folder(folder) as partial:
        if curve.answers is not None:
            pq.write_table(curve.answers, partial / ANSWERS)
        found = {**facts, "chosen": _chosen(result), "candidates": candidates}
        (partial / EVIDENCE).write_text(json.dumps(found))


def _evidence(standing: Standing, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    mine = [one for one in outcomes if key_of(one) == key_of(standing.candidate)]
    light = [replace(one, curve=[]) for one in mine]
    if not standing.within:  # the predictions of those that may be chosen again are what temperature is fitted on
        light = [replace(one, validation_labels=[], validation_logits=[]) for one in light]
    facts = {"within": standing.within, "reason": standing.reason}
    return {"key": key_of(standing.candidate), **facts, "outcomes": [*map(asdict, light)]}


def _chosen(result: StudyResult) -> list[Any]:
    """Return what the final models and those of the label curve are, as JSON holds it."""
    return [[*key_of(one.candidate), one.steps] for one in (result.winner, result.control[0])]
