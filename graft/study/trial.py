"""One trial: a candidate trained with one seed, on one fold or on the whole budget."""

import copy
import io
import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from graft.backbones import layer_groups, renew, renew_head
from graft.backbones.all_boundaries import AllBoundaries, widen
from graft.catalog import Study
from graft.manifest import digest, write_whole
from graft.problems.examples import Examples
from graft.problems.problem import Problem, has_classes
from graft.strategies import count_frozen
from graft.study.candidates import Candidate
from graft.study.folds import Fold
from graft.study.going_on import NOWHERE, Start
from graft.study.skill import Skill
from graft.training import Job, Rehearsal, evaluate, peak_memory_bytes, predict, train
from graft.training.batches import generator
from graft.training.flops import Meter
from graft.training.offsite import keep_files, recall_files
from graft.training.prefix import Prefix, playing

POINTS = 10  # on a trial's learning curve
MEASURING = 0.25  # of what its steps cost, at the most, goes into measurements on the way
STEP = 3  # forward passes that a step on a row costs: forward once, and backward twice as much
OUTCOME, ANSWERS = "outcome.json", "answers.npy"


@dataclass(frozen=True)
class Recording:
    """What the prefix cache of a study cost, when it was made."""

    rows: int
    seconds: float
    flops: int
    peak_memory_bytes: int


@dataclass(frozen=True)
class Bench:
    """What all trials of a study share."""

    problem: Problem
    processor: Any
    source: Any
    """The source's model; never trained itself."""
    labels: tuple[str, ...]
    examples: Examples
    """The labelled budget."""
    study: Study
    folder: Path
    """Where trials keep their state and their outcomes."""
    prefix: Prefix | None = None
    """What the source's lower groups return for the labelled budget, as far as it has been recorded."""
    wide_prefix: Prefix | None = None
    """What leaves all of its groups, for heads that read every boundary."""
    skill: Skill | None = None
    """The source's own skill, on rows for choosing; None where it cannot be measured."""
    recording: Recording | None = None
    """What it cost to record that."""
    champion: Start = NOWHERE
    """The model in use, for candidates that begin from it."""
    meter: Meter = field(default_factory=Meter, compare=False)
    """Counts the FLOPs of trials, each kind of pass once."""

    @property
    def strata(self) -> npt.NDArray[np.int64]:
        """What parts of the labelled budget are drawn evenly by, (rows,): the class, or nothing where there is none."""
        if has_classes(self.problem):
            return np.asarray(self.examples.labels, dtype=np.int64)
        return np.zeros(self.examples.row_count, dtype=np.int64)

    @property
    def identities(self) -> Sequence[int] | None:
        """The identity of each row of the labelled budget, all of whose rows are drawn together; None without any."""
        return np.asarray(self.examples.labels).tolist() if self.problem.compares else None

    @cached_property
    def wide(self) -> AllBoundaries:
        """The source's layers under a head that reads every boundary; made where a candidate asks for it."""
        rows = range(min(2, len(self.examples)))
        batch = self.problem.collate(self.examples, rows, self.processor, generator(0), training=False)
        inputs = {name: value for name, value in batch.items() if name != "labels"}
        return widen(self.source, self.problem, self.labels, 0, inputs)

    def begin(self, candidate: Candidate, seed: int) -> Any:
        """Return the network that a candidate's training begins with."""
        if candidate.begins == "nothing":
            return renew(self.source, self.problem, self.labels, seed)
        if candidate.begins == "champion":
            return copy.deepcopy(self.champion.network)  # the head, too: another seed changes the order of rows only
        return renew_head(self.wide if candidate.reads_all else self.source, self.problem, self.labels, seed)


@dataclass(frozen=True)
class Outcome:
    """What a trial gave: one row of trials.csv, its curve, and its predictions on the held rows."""

    role: str
    strategy: str
    learning_rate: float
    seed: int
    fold: int | None
    steps: int
    metric: float | None
    loss: float | None
    seconds: float
    trained_parameters: int
    peak_memory_bytes: int
    curve: list[dict[str, float | None]]
    validation_labels: list[int]
    """Of the held rows, where there are classes: the class. Where answers are compared: the identity."""
    validation_logits: list[list[float]]
    """What was answered to them."""
    forgetting: float | None = None
    """What the source lost of its own metric, above zero is worse; None for the control and where it is not known."""
    flops: int | None = None
    """Of its steps and of scoring on the way and at the end; None where it was trained before they were counted."""


def run_trial(bench: Bench, candidate: Candidate, seed: int, fold: Fold, report: Callable[[int, str], None]) -> Outcome:
    """Return the outcome of a trial on a fold; one that finished before is read, not repeated."""
    path = bench.folder / f"{_name(candidate, seed)}-fold-{fold.number}"
    if (known := _read(path)) is not None:
        return known
    held = bench.examples.take(fold.validation)
    patience = bench.study.patience if fold.number < 0 else None
    rows = bench.examples.take(fold.train)
    model, outcome = _train(bench, candidate, seed, path, rows, held, patience, None, report)
    frozen = count_frozen(candidate.legs, [group.name for group in layer_groups(model)])
    started, kept = time.perf_counter(), has_classes(bench.problem) or bench.problem.compares
    with playing(_prefix_for(bench, candidate), model, frozen) as player:
        metrics, answers = evaluate(model, bench.problem, held, bench.processor, player)
    outcome = replace(
        outcome,
        fold=fold.number,
        curve=_finish(outcome.curve, metrics["loss"], metrics[bench.problem.metric]),
        metric=metrics[bench.problem.metric],
        loss=metrics["loss"],
        seconds=round(outcome.seconds + time.perf_counter() - started, 3),
        validation_labels=np.asarray(held.labels).tolist() if kept and held.labels is not None else [],
        validation_logits=answers.tolist() if kept else [],
        forgetting=_forgetting(bench, candidate, model),
    )
    write_whole(path / OUTCOME, json.dumps(asdict(outcome)))
    keep_files(path / OUTCOME)
    return outcome


def run_final(
    bench: Bench, candidate: Candidate, seed: int, steps: int, report: Callable[[int, str], None]
) -> tuple[Any, Outcome]:
    """Return the model trained on the whole budget for `steps`, the schedule laid out as in the trials."""
    roles = {"candidate": "final-winner", "control": "final-control", "source": "final-source"}
    candidate = replace(candidate, role=roles[candidate.role])
    path = bench.folder / _name(candidate, seed)
    return _train(bench, candidate, seed, path, bench.examples, None, None, steps, report)


def run_part(
    bench: Bench,
    candidate: Candidate,
    seed: int,
    steps: int,
    rows: npt.NDArray[np.int64],
    test: Examples,
    report: Callable[[int, str], None],
) -> tuple[npt.NDArray[np.float32], Outcome]:
    """Return the answers (test rows, numbers) of a model trained on some of the rows, otherwise as a final one.

    One that finished before is read, not repeated.
    """
    roles = {"candidate": "curve-winner", "control": "curve-control"}
    candidate = replace(candidate, role=roles[candidate.role])
    path = bench.folder / f"{_name(candidate, seed)}-rows-{len(rows)}"
    if (known := _read(path, ANSWERS)) is not None:
        return np.load(path / ANSWERS, allow_pickle=False), known
    model, outcome = _train(bench, candidate, seed, path, bench.examples.take(rows), None, None, steps, report)
    answers = predict(model, bench.problem, test, bench.processor)
    stream = io.BytesIO()
    np.save(stream, answers, allow_pickle=False)
    write_whole(path / ANSWERS, stream.getvalue())
    write_whole(path / OUTCOME, json.dumps(asdict(outcome)))  # the last: what it says is finished
    keep_files(path / ANSWERS, path / OUTCOME)
    return answers, outcome


def _train(
    bench: Bench,
    candidate: Candidate,
    seed: int,
    folder: Path,
    rows: Examples,
    held: Examples | None,
    patience: int | None,
    stop_at: int | None,
    report: Callable[[int, str], None],
) -> tuple[Any, Outcome]:
    started = time.perf_counter()
    model = bench.begin(candidate, seed)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    every = max(1, sum(leg.steps for leg in candidate.legs) // POINTS)
    job = Job(
        problem=bench.problem,
        processor=bench.processor,
        train=rows,
        validation=held,
        legs=candidate.legs,
        learning_rate=candidate.learning_rate,
        recipe=bench.study,
        seed=seed,
        measure_every=every,
        validate_every=every * _stride(bench.study, held),
        patience=patience,
        folder=folder / "state",
        stop_at=stop_at,
        blend=candidate.blend,
        prefix=_prefix_for(bench, candidate),
        rehearsal=_rehearsal_for(bench, candidate),
    )
    made = time.perf_counter() - started
    trained = train(job, model, report)
    memory = peak_memory_bytes()
    groups = [group.name for group in layer_groups(model)]
    steps = [int(row["step"] or 0) for row in trained.curve]
    measured = [step for step, row in zip(steps, trained.curve, strict=True) if "validation_loss" in row]
    fresh = partial(bench.begin, candidate, seed)
    return model, Outcome(
        role=candidate.role,
        strategy=candidate.strategy,
        learning_rate=candidate.learning_rate,
        seed=seed,
        fold=None,
        steps=trained.steps,
        metric=None,
        loss=None,
        seconds=round(made + trained.seconds, 3),
        trained_parameters=candidate.trained_parameters,
        peak_memory_bytes=memory,
        curve=trained.curve,
        validation_labels=[],
        validation_logits=[],
        flops=bench.meter.count(job, groups, fresh, steps[-1], measured, held),
    )


def _stride(study: Study, held: Examples | None) -> int:
    """Return how many points of the curve there are for each that is measured on the held rows.

    These measurements draw a curve and decide nothing (where patience decides, every point is measured).
    """
    most = MEASURING * STEP * study.budget_steps * study.batch_size
    return max(1, ceil(POINTS * len(held) / most)) if held is not None else 1


def _finish(curve: list[dict[str, float | None]], loss: float, metric: float) -> list[dict[str, float | None]]:
    """Return a curve whose last point is what was measured when all was over, where it was not measured before."""
    last: dict[str, float | None] = {"validation_loss": loss, "validation_metric": metric}
    return [*curve[:-1], last | curve[-1]]


def _prefix_for(bench: Bench, candidate: Candidate) -> Prefix | None:
    """Return what was recorded of the source's layers, which is nothing to a network of other weights."""
    if candidate.begins != "source":
        return None
    return bench.wide_prefix if candidate.reads_all else bench.prefix


def _rehearsal_for(bench: Bench, candidate: Candidate) -> Rehearsal | None:
    """Return the source rows to train on beside the target's: none for a network that never knew the source."""
    return bench.skill.rehearsal if bench.skill is not None and candidate.moves_source else None


def _forgetting(bench: Bench, candidate: Candidate, model: Any) -> float | None:
    """Return what the source lost: nothing where the layers below the head are still its own."""
    if candidate.begins == "nothing":
        return None
    if not candidate.moves_source:
        return 0.0
    return None if bench.skill is None else bench.skill.lost_by(model)


def _name(candidate: Candidate, seed: int) -> str:
    return f"{candidate.role}-{_as_path(candidate.strategy)}-{candidate.learning_rate:g}-seed-{seed}"


def _as_path(strategy: str) -> str:
    """Return a strategy's name as part of a folder's; one that names layers in users' words is told by its digest."""
    if re.fullmatch(r"[\w.-]+", strategy):
        return strategy
    return f"{re.sub(r'[^a-zA-Z0-9]+', '-', strategy)[:40]}-{digest({'strategy': strategy})}"


def _read(path: Path, *others: str) -> Outcome | None:
    """Return what a finished training gave, here or on another machine, from which its other files come first."""
    recall_files(path, *others, OUTCOME)
    try:
        return Outcome(**json.loads((path / OUTCOME).read_text()))
    except FileNotFoundError:
        return None
