"""The forgetting budget: who may be chosen, and who goes on, where the source must keep its skill.

A candidate is within the budget when the mean of what its trials forgot and one standard error of it are. To forget
too much is the dearer mistake, so doubt counts against a candidate, as it counts against the dearer one in selection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from math import inf

from graft.study.candidates import Candidate
from graft.study.halving import FEWEST, drop
from graft.study.selection import Score, Standing, mean_and_error, select
from graft.study.trial import Outcome

Outcomes = Mapping[Candidate, Sequence[Outcome]]


def mean_forgetting(outcomes: Sequence[Outcome]) -> Score | None:
    """Return the mean over the trials whose forgetting is known and its standard error; None where it is of none."""
    values = [outcome.forgetting for outcome in outcomes if outcome.forgetting is not None]
    return Score.of(values) if values else None


def drop_within(outcomes: Outcomes, one_in: int, higher_is_better: bool, most: float | None) -> dict[Candidate, str]:
    """Return the candidates that go no further under a forgetting budget of `most`; see `halving.drop` for none.

    Only candidates within the budget are compared with each other, so that none is dropped for being worse than one
    that cannot be chosen. Who is above it by more than one standard error is dropped, who may still come within goes
    on. The safest goes on in any case: the one that forgets least (the best of several that move nothing), for it is
    what is left if the others turn out to forget too much. Where all are above, those go on that forget least.
    """
    if most is None:
        return drop(outcomes, one_in, higher_is_better)
    if one_in == 1 or any(len(rows) < FEWEST for rows in outcomes.values()):
        return {}
    lost = _lost(outcomes)
    least = min(lost.values(), key=lambda score: score.mean)
    above = [one for one, score in lost.items() if score.mean - score.error > most]
    if len(above) == len(outcomes):
        above = [one for one in above if lost[one].mean > least.mean + least.error]
    within = {one: outcomes[one] for one in outcomes if one not in above and _upper(lost[one]) <= most}
    found = drop(within, one_in, higher_is_better) if within else {}
    found.pop(_safest(outcomes, lost, higher_is_better), None)
    return found | {one: f"dropped after {len(outcomes[one])} trials: {_excess(lost[one], most)}" for one in above}


def select_within(
    outcomes: Outcomes,
    higher_is_better: bool,
    dropped: Mapping[Candidate, str],
    most: float | None,
    margin: float = inf,
) -> tuple[list[Standing], list[str]]:
    """Return the standings with what each candidate forgot, and a note where none is within the budget of `most`.

    Candidates above the budget cannot be chosen. Where all are, the one that forgets least is chosen, and it is said.
    """
    known = {one: score for one, rows in outcomes.items() if (score := mean_forgetting(rows)) is not None}
    if most is None:
        return [_with(standing, known) for standing in select(outcomes, higher_is_better, dropped, margin)], []
    lost, notes = _lost(outcomes), list[str]()
    above = {one: _excess(lost[one], most) for one in outcomes if one not in dropped and _upper(lost[one]) > most}
    running = {one: rows for one, rows in outcomes.items() if one not in dropped}
    if len(above) == len(running):
        least = _safest(running, lost, higher_is_better)
        notes = [f"no candidate is within the forgetting budget; {least.strategy} is taken: {above.pop(least)}"]
    chosen, *others = select(outcomes, higher_is_better, {**above, **dropped}, margin)
    reason = f"forgets least, but {_excess(lost[chosen.candidate], most)}" if notes else chosen.reason
    if not notes and above:
        reason += f"; {_excess(lost[chosen.candidate], most)}"
    standings = [replace(chosen, reason=reason), *(_cleared(standing, above) for standing in others)]
    return [_with(standing, known) for standing in standings], notes


def _lost(outcomes: Outcomes) -> dict[Candidate, Score]:
    """Return what every candidate forgot; a budget is only asked where it is measured (see `open_skill`)."""
    lost = {one: mean_forgetting(rows) for one, rows in outcomes.items()}
    return {one: score for one, score in lost.items() if score is not None}


def _safest(outcomes: Outcomes, lost: Mapping[Candidate, Score], higher_is_better: bool) -> Candidate:
    sign = 1.0 if higher_is_better else -1.0
    return min(outcomes, key=lambda one: (lost[one].mean, -sign * mean_and_error(outcomes[one]).mean, one.cost))


def _upper(score: Score) -> float:
    return score.mean + score.error


def _excess(score: Score, most: float) -> str:
    return f"forgets {score.mean:.3f} ± {score.error:.3f} where the budget is {most:g}"


def _cleared(standing: Standing, above: Collection[Candidate]) -> Standing:
    """Return a standing that says of who was tried to the end and forgot too much just that."""
    over = standing.candidate in above
    return replace(standing, over_budget=over, dropped=standing.dropped and not over)


def _with(standing: Standing, lost: Mapping[Candidate, Score]) -> Standing:
    score = lost.get(standing.candidate)
    return standing if score is None else replace(standing, forgetting=score.mean, forgetting_error=score.error)
