"""One study and the truth about it: what it said of a pair, and what ten other seeds of everything say."""

import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.pairs import PAIRS, Ready, ready, silent
from bench.results import Frozen
from bench.worse import Gated, try_the_gate
from graft.backbones import save
from graft.catalog import Study
from graft.catalog import Verdict as Word
from graft.evaluation.bootstrap import compare
from graft.evaluation.forgetting import measure_forgetting
from graft.evaluation.verdict import decide
from graft.problems import PROBLEMS
from graft.problems.examples import Examples
from graft.study import Bench, StudyResult, train_finals
from graft.study.candidates import Candidate
from graft.study.trial import run_final
from graft.training import predict

FIRST_SEED = 1000  # of the truth: no study counts so far
Right = npt.NDArray[np.bool_]
"""Whether each model is right about each row, (models, rows)."""


class Tried(Frozen):
    """A candidate's trials."""

    strategy: str
    cost: int
    """Weights updated over all steps."""
    decision: str
    trials: tuple[tuple[int, int, float], ...]
    """Seed, fold and validation metric of each."""


class Truth(Frozen):
    """What a strategy is worth on rows that the study has not met: the accuracy with each fresh seed."""

    strategy: str
    accuracies: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over seeds."""
        return float(np.mean(self.accuracies))


class Answer(Frozen):
    """What a study said about one draw of a pair's labels, and the truth."""

    pair: str
    nature: str
    draw: int
    chosen: str
    verdict: Word
    margin: float
    gain: float
    low: float
    high: float
    true_gain: float
    """Of the chosen strategy over the control, means over the fresh seeds."""
    true_error: float
    """Standard error of the true gain: it has seeds and rows of its own."""
    test_rows: int
    truth_rows: int
    forgetting: float
    """What the source lost of its own metric."""
    forgetting_metric: str
    trials: int
    seconds: float
    """Processor time of the study, from reading to the verdict: it is on one thread."""
    tried: tuple[Tried, ...]
    truths: tuple[Truth, ...]
    """Every candidate's and, as `scratch`, the control's."""
    gated: tuple[Gated, ...]

    @property
    def worth(self) -> dict[str, float]:
        """The true accuracy of each candidate, without the control's."""
        return {truth.strategy: truth.mean for truth in self.truths if truth.strategy != "scratch"}


def answer(number: int, draw: int, study: Study, seeds: int) -> Answer:
    """Return the answer about a pair, by its number in `PAIRS`, with the labels of one draw."""
    pair = PAIRS[number]
    started = time.process_time()
    with ready(pair, study, draw) as found:
        bench, result = found.search()
        models = _finals(bench, result)
        tests = {role: _right(found, models[role], found.test) for role in ("winner", "control")}
        gain = compare(tests["winner"], tests["control"], resamples=study.resamples, confidence=study.confidence).gain
        before, after, metric = _forget(found, models["winner"][0])
        seconds = time.process_time() - started
        truths = _learn_truth(found, bench, result, seeds)
        chosen = result.winner.candidate.strategy
        return Answer(
            pair=str(pair), nature=pair.nature, draw=draw, chosen=chosen,
            verdict=decide(gain.low, gain.high, study.margin), margin=study.margin,
            gain=gain.value, low=gain.low, high=gain.high,
            true_gain=float(truths[chosen].mean() - truths["scratch"].mean()),
            true_error=gain_error(truths[chosen], truths["scratch"]),
            test_rows=len(found.test), truth_rows=len(found.truth),
            forgetting=after - before if metric == "loss" else before - after, forgetting_metric=metric,
            trials=len(result.outcomes), seconds=round(seconds, 1), tried=_tried(result),
            truths=tuple(Truth(strategy=name, accuracies=tuple(right.mean(axis=1))) for name, right in truths.items()),
            gated=try_the_gate(found, bench, result.winner.candidate, models["winner"][0]),
        )  # fmt: skip


def gain_error(ours: Right, theirs: Right) -> float:
    """Return the standard error of a difference of means over models (models, rows), the rows being the same."""
    seeds = sum(right.mean(axis=1).var(ddof=1) / len(right) for right in (ours, theirs))
    rows = (ours.mean(axis=0) - theirs.mean(axis=0)).var(ddof=1) / ours.shape[1]
    return float(np.sqrt(seeds + rows))


def _finals(bench: Bench, result: StudyResult) -> Mapping[str, list[Any]]:
    models: dict[str, list[Any]] = {}
    for role, _, model in train_finals(bench, result, silent):
        models.setdefault(role, []).append(model)
    return models


def _right(found: Ready, models: Sequence[Any], rows: Examples) -> Right:
    logits = np.stack([predict(model, found.problem, rows, found.processor) for model in models])
    return np.asarray(logits.argmax(axis=2) == rows.labels)


def _forget(found: Ready, model: Any) -> tuple[float, float, str]:
    problem = PROBLEMS[_problem_of(found.checkpoint)]
    with tempfile.TemporaryDirectory() as folder:
        save(model, found.processor, Path(folder))
        forgotten = measure_forgetting(found.checkpoint, Path(folder), problem, found.problem)
    return forgotten.before, forgotten.after, forgotten.metric


def _problem_of(checkpoint: Path) -> str:
    return str(json.loads((checkpoint / "source.json").read_text())["problem"])


def _learn_truth(found: Ready, bench: Bench, result: StudyResult, seeds: int) -> dict[str, Right]:
    """Return what every candidate and the chosen control are worth on the whole budget, seed by seed."""
    candidates = [*sorted(result.standings, key=lambda one: one.candidate.cost), result.control[0]]
    return {
        one.candidate.strategy: np.concatenate(
            [_train(found, bench, one.candidate, FIRST_SEED + seed) for seed in range(seeds)]
        )
        for one in candidates
    }


def _train(found: Ready, bench: Bench, candidate: Candidate, seed: int) -> Right:
    with tempfile.TemporaryDirectory(prefix="truth-") as folder:
        bench = replace(bench, folder=Path(folder))
        model, _ = run_final(bench, candidate, seed, sum(leg.steps for leg in candidate.legs), silent)
    return _right(found, [model], found.truth)


def _tried(result: StudyResult) -> tuple[Tried, ...]:
    return tuple(
        Tried(
            strategy=one.candidate.strategy, cost=one.candidate.cost, decision=one.decision,
            trials=tuple(
                (row.seed, row.fold, row.metric)
                for row in result.outcomes
                if row.role == "candidate" and row.strategy == one.candidate.strategy
                and row.fold is not None and row.metric is not None
            ),
        )
        for one in result.standings
    )  # fmt: skip


def prepare_worker(work: str) -> None:
    """Set up a process that answers: on the CPU, with a scratch folder of its own."""
    os.environ["GRAFT_DEVICE"], os.environ["GRAFT_WORK"] = "cpu", f"{work}/{os.getpid()}"
