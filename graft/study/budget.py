"""A budget for the whole search, in trials, in steps or in seconds; the control is under it like everybody else.

The search goes in rounds: one trial, with the same seed and fold, of everyone who is still running, the control's
learning rates among them. A round is run for all or for none, so that whatever is compared has met the same divisions
of the rows, however early the budget ends. The first round is always run, and the final models always are: for seconds
their time is set aside, as far as it can be told from the trials before.

Seconds are those that outcomes hold, so a study that was killed goes on with what it had spent, and takes the decisions
of finished rounds again as they were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graft.catalog import Study
from graft.errors import CatalogError
from graft.study.candidates import Candidate
from graft.study.trial import Bench, Outcome

LIMITS = ("max_trials", "max_steps", "max_seconds")
ROLES = ("candidate", "control")
Outcomes = Mapping[Candidate, Sequence[Outcome]]


def require_one_round(study: Study, candidates: Sequence[Candidate]) -> None:
    """Raise CatalogError where a limit has no room for one trial of every candidate and of the control."""
    needed = {"max_trials": len(candidates), "max_steps": len(candidates) * study.budget_steps}
    given = {name: getattr(study, name) for name in needed}
    few = {name: most for name, most in given.items() if most is not None and most < needed[name]}
    if not few:
        return
    kinds = [f"{one.strategy} at {one.learning_rate:g}" for one in candidates]
    raise CatalogError(
        "; ".join(
            f"study.{name}: {most} {name.removeprefix('max_')} are too few for one trial of each candidate"
            for name, most in few.items()
        ),
        [f"{len(candidates)} trials of {study.budget_steps} steps are needed: {', '.join(kinds)}"],
        f"Give at least {' and '.join(f'{name}: {needed[name]}' for name in few)}, or name fewer `strategies` or "
        "`learning_rates`.",
    )


def refuse(bench: Bench, outcomes: Outcomes, running: Sequence[Candidate]) -> str | None:
    """Return why another round of those who are running would break the budget, or None where it may be run."""
    done = sum(len(rows) for rows in outcomes.values())
    study = bench.study
    if not done:
        return None
    if study.max_trials is not None and done + len(running) > study.max_trials:
        return f"max_trials is {study.max_trials}, {done} were made, and another round takes {len(running)}"
    made = sum(outcome.steps for rows in outcomes.values() for outcome in rows)
    if study.max_steps is not None and made + len(running) * study.budget_steps > study.max_steps:
        another = len(running) * study.budget_steps
        return f"max_steps is {study.max_steps}, {made} were made, and another round takes up to {another}"
    if study.max_seconds is None:
        return None
    spent, more, finals = _spent(bench, outcomes), _of_round(outcomes, running), _of_finals(bench, outcomes, running)
    if spent + more + finals <= study.max_seconds:
        return None
    return (
        f"max_seconds is {study.max_seconds:g}, {spent:.1f} s were spent, another round takes about {more:.1f} s and "
        f"the final models about {finals:.1f} s"
    )


def describe_end(reason: str, made: int, seeds: int, folds: int) -> str:
    """Return what a search that ended after some rounds has left out, in a sentence."""
    planned, (seed, fold) = seeds * folds, divmod(made, folds)
    clock = ". How far it came depends on the speed of the machine" if reason.startswith("max_seconds") else ""
    return (
        f"The budget ended the search after {made} of {planned} rounds (seed {seed}, fold {fold} would have been "
        f"next): {reason}. Candidates and control are compared on the rounds that all who were left have run{clock}."
    )


def _spent(bench: Bench, outcomes: Outcomes) -> float:
    shared = bench.recording.seconds if bench.recording else 0.0
    return shared + sum(outcome.seconds for rows in outcomes.values() for outcome in rows)


def _mean(rows: Sequence[Outcome]) -> float:
    return sum(outcome.seconds for outcome in rows) / len(rows)


def _of_round(outcomes: Outcomes, running: Sequence[Candidate]) -> float:
    return sum(_mean(outcomes[one]) for one in running)


def _of_finals(bench: Bench, outcomes: Outcomes, running: Sequence[Candidate]) -> float:
    """Return what the final models take at most: winner, control and untouched source, once with every seed."""
    times = {one: _mean(outcomes[one]) for one in running}
    most = max(times.values())  # where a role is decided already
    slowest = {role: max((times[one] for one in running if one.role == role), default=most) for role in ROLES}
    return bench.study.seeds * (2 * slowest["candidate"] + slowest["control"])
