"""The study: compare the candidates inside the labelled budget, then train winner, control and probe on all of it."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from graft.backbones import describe_tie, renew_head
from graft.backbones.all_boundaries import READABLE
from graft.catalog import Data
from graft.strategies import find_strategy
from graft.study.budget import describe_end, refuse
from graft.study.candidates import Candidate, make_candidates
from graft.study.folds import Fold, Selection, choose_selection, split
from graft.study.forgetting import drop_within, select_within
from graft.study.halving import is_rung
from graft.study.probe import choose_probe
from graft.study.proposal import propose_block
from graft.study.selection import Standing
from graft.study.trial import Bench, Outcome, run_final, run_trial

log = logging.getLogger(__name__)
Report = Callable[[int, str], None]
Known = Mapping[Candidate, Sequence[Outcome]]
"""Trials of an earlier study."""
NOTHING: Known = MappingProxyType({})
AGAIN = 2  # rounds for those whose trials are known; each was in all rounds of then, on nearly the same rows


@dataclass
class StudyResult:
    """Everything a study found; models are handed over one by one, never all held at once."""

    standings: list[Standing]
    """The candidates, the winner first."""
    control: list[Standing]
    """The control's learning rates, the chosen one first."""
    probe: tuple[Candidate, int]
    """The untouched source under a new head, and the steps to train it for."""
    selection: Selection
    notes: list[str]
    outcomes: list[Outcome] = field(default_factory=list)
    known: Known = field(default_factory=dict)
    """Trials of an earlier search that had a part in this one."""
    left_out: Mapping[Candidate, str] = field(default_factory=dict)
    """Candidates that got no trial, each with the reason."""
    steps: int = 0
    """Optimizer steps that were announced for the search; the final models' come after them."""
    ended: str | None = None
    """How the budget ended the search before all rounds were run; None where it did not."""

    @property
    def winner(self) -> Standing:
        """The chosen candidate."""
        return self.standings[0]

    @property
    def probe_is_winner(self) -> bool:
        """Whether the winner adapts nothing below the head: then its models are the untouched source's, too."""
        probe, winner = self.probe[0], self.winner.candidate
        return (probe.begins, probe.legs, probe.learning_rate) == (winner.begins, winner.legs, winner.learning_rate)


def count_steps(bench: Bench, candidates: list[Candidate], selection: Selection, known: Known = NOTHING) -> int:
    """Return the optimizer steps that a study takes at most, final models included."""
    return _search_steps(bench, candidates, selection, known) + 3 * bench.study.budget_steps * bench.study.seeds


def _search_steps(bench: Bench, candidates: list[Candidate], selection: Selection, known: Known) -> int:
    rounds = len(_seeds(bench, known)) * selection.trials_per_seed
    rounds = min(rounds, AGAIN) if known else rounds
    return bench.study.budget_steps * rounds * (len(candidates) - len(_decided(candidates, known, selection)))


def _decided(running: Sequence[Candidate], known: Known, selection: Selection) -> list[Candidate]:
    """Return the control where it is the only one left and has trials: there is nothing more to choose.

    On a validation part it goes on, because its trials say when to stop. A lone candidate does everywhere: temperature
    is fitted on its held rows.
    """
    control = [one for one in running if one.role == "control"]
    return control if len(control) == 1 and known.get(control[0]) and not selection.single else []


def _seeds(bench: Bench, known: Known) -> range:
    """Return the seeds of the search: of one that goes on from an earlier one, the next."""
    seeds = bench.study.seeds
    return range(seeds, seeds + 1) if known else range(seeds)


def plan(bench: Bench, train: pa.Table, data: Data) -> tuple[list[Candidate], list[str], Selection]:
    """Return the candidates for this network, notes on what is left out, and the rule that compares them."""
    model = renew_head(bench.source, bench.problem, bench.labels, seed=0)
    proposed, proposals = None, list[str]()
    if any(phase.blocks == "proposed" for name in bench.study.strategies for phase in find_strategy(name).phases):
        proposed, norms = propose_block(bench, bench.examples)
        found = ", ".join(f"{name} {norm:.3g}" for name, norm in norms.items())
        proposals = [f"{proposed} has the largest gradients relative to its weights ({found})"]
    widen = (lambda: bench.wide) if bench.problem.auto_model in READABLE else None
    candidates, notes = make_candidates(bench.study, model, proposed, widen, bench.champion.unfit)
    ties = [tie] if (tie := describe_tie(model)) else []
    goes_on = any(candidate.begins == "champion" for candidate in candidates)
    selection = choose_selection(train, data, bench.study, bench.champion.unseen if goes_on else None)
    return candidates, [*proposals, *ties, *notes], selection


def search(
    bench: Bench,
    train: pa.Table,
    candidates: list[Candidate],
    notes: list[str],
    selection: Selection,
    report: Report,
    known: Known = NOTHING,
) -> StudyResult:
    """Run the trials in rounds, halve the candidates between them, and select; the control is treated alike.

    A round is a seed and a fold for all who are running. The search ends before one that breaks the budget. Trials that
    are `known` of an earlier study have a part in the selection, and then no more than `AGAIN` rounds are run.
    """
    outcomes: dict[Candidate, list[Outcome]] = {candidate: [] for candidate in candidates}
    dropped: dict[Candidate, str] = {}
    seeds, trial = _seeds(bench, known), bench.study.budget_steps
    announced = len(candidates) - len(_decided(candidates, known, selection))
    done, ended, running = 0, None, [one for one in candidates if one not in _decided(candidates, known, selection)]
    for rounds, (seed, fold) in enumerate(_rounds(train, selection, seeds, known)):
        if is_rung(rounds) and not known:
            dropped |= _halve(bench, outcomes, dropped)
            left = [one for one in candidates if one not in dropped]
            running = [one for one in left if one not in _decided(left, outcomes, selection)]
        if reason := refuse(bench, outcomes, running):
            ended = describe_end(reason, rounds, len(seeds), selection.trials_per_seed)
            log.info(ended)
            break
        for candidate in running:
            label = f"{candidate.strategy} seed {seed} fold {fold.number}"
            outcomes[candidate].append(run_trial(bench, candidate, seed, fold, shifted(report, done, label)))
            done += trial
        done += trial * (announced - len(running))  # those that are saved
    compared = _joined(known, outcomes)
    standings, over = _rank(bench, compared, dropped, "candidate")
    control, _ = _rank(bench, compared, dropped, "control")
    notes = [*notes, *over, *([ended] if ended else [])]
    trials = [row for rows in outcomes.values() for row in rows]
    steps = _search_steps(bench, candidates, selection, known)
    return StudyResult(
        standings, control, choose_probe(bench, standings), selection, notes, trials, known, steps=steps, ended=ended
    )


def _rounds(train: pa.Table, selection: Selection, seeds: range, known: Known) -> Iterator[tuple[int, Fold]]:
    every = ((seed, fold) for seed in seeds for fold in split(train, selection, seed))
    return islice(every, AGAIN) if known else every


def _joined(known: Known, outcomes: Known) -> dict[Candidate, list[Outcome]]:
    return {candidate: [*known.get(candidate, ()), *rows] for candidate, rows in outcomes.items()}


def _halve(
    bench: Bench, outcomes: Mapping[Candidate, Sequence[Outcome]], dropped: Collection[Candidate]
) -> dict[Candidate, str]:
    """Return who goes no further, with the reasons: of the candidates and of the control's learning rates alike."""
    found: dict[Candidate, str] = {}
    for role in ("candidate", "control"):
        running = {one: rows for one, rows in outcomes.items() if one.role == role and one not in dropped}
        most = _budget(bench, role)
        found |= drop_within(running, bench.study.halving, bench.problem.higher_is_better, most)
    for candidate, reason in found.items():
        log.info("%s at %g: %s", candidate.strategy, candidate.learning_rate, reason)
    return found


def _rank(
    bench: Bench, outcomes: Mapping[Candidate, Sequence[Outcome]], dropped: Mapping[Candidate, str], role: str
) -> tuple[list[Standing], list[str]]:
    mine = {one: rows for one, rows in outcomes.items() if one.role == role}
    return select_within(mine, bench.problem.higher_is_better, dropped, _budget(bench, role), bench.study.margin)


def _budget(bench: Bench, role: str) -> float | None:
    """Return how much may be forgotten; the control never knew the source."""
    return bench.study.max_forgetting if role == "candidate" else None


def train_finals(bench: Bench, result: StudyResult, report: Report) -> Iterator[tuple[str, int, Any]]:
    """Yield (role, seed, model) trained on the whole labelled budget, with each seed.

    Roles are `winner`, `control` and `source`, the last only where its models are not the winner's.
    """
    done = result.steps
    winner, control = result.winner, result.control[0]
    finals = [("winner", winner.candidate, winner.steps), ("control", control.candidate, control.steps)]
    finals += [] if result.probe_is_winner else [("source", *result.probe)]
    for role, candidate, steps in finals:
        for seed in range(bench.study.seeds):
            label = f"{role} {candidate.strategy} seed {seed}"
            model, outcome = run_final(bench, candidate, seed, steps, shifted(report, done, label))
            result.outcomes.append(outcome)
            done += bench.study.budget_steps
            yield role, seed, model
    if result.probe_is_winner:
        report(done + bench.study.budget_steps * bench.study.seeds, "source: the winner's models")


def shifted(report: Report, done: int, label: str) -> Report:
    """Return the report of one training among others: its steps come after those that are done."""
    return lambda step, message: report(done + step, f"{label}: {message}")
