"""A study in facts: what was asked, what was found, what was chosen and why; the content of study.json."""

from collections.abc import Sequence
from typing import Any

from graft.backbones import layer_groups
from graft.catalog import Target
from graft.problems.tokens import describe_tokens
from graft.reading import Dataset, row_hashes
from graft.study.budget import LIMITS
from graft.study.going_on import NOWHERE
from graft.study.label_curve import explain_counts
from graft.study.selection import Standing
from graft.study.study import StudyResult
from graft.study.tables import key_of
from graft.study.trial import Bench, Outcome
from graft.training import describe_device

NO_CURVE = "No label curve: the chosen strategy begins from the champion, which has met most of the labels already."


def describe_study(name: str, target: Target, bench: Bench, dataset: Dataset, result: StudyResult) -> dict[str, Any]:
    """Return the facts of a study, ready for JSON."""
    problem, train = bench.problem, dataset.splits["train"]
    trained = result.winner.candidate.trained_groups
    groups = layer_groups(bench.begin(result.winner.candidate, seed=0))
    hashes = row_hashes(train, problem)
    begun = bench.champion if result.winner.candidate.begins == "champion" else NOWHERE
    return {
        "target": name,
        "source": target.source,
        "problem": problem.name,
        "metric": problem.metric,
        "higher_is_better": problem.higher_is_better,
        "labels": list(dataset.labels),
        "labels_per_class": target.data.labels_per_class,
        "train_rows": len(train),
        "test_rows": len(dataset.splits["test"]),
        "dataset": dataset.fingerprint,
        "train_hashes": hashes,
        # of the winner's own training and of that of the model it was begun from
        **({"met_hashes": sorted(begun.met.union(hashes))} if begun.met else {}),
        "champion": bench.champion.describe(),
        "groups": [
            {"name": group.name, "parameters": group.parameters, "trained": group.name in trained} for group in groups
        ],
        "winner": _choice(result.winner),
        "control": _choice(result.control[0]),
        "probe": _describe_probe(result),
        "candidates": [_row(standing, result.outcomes) for standing in (*result.standings, *result.control)],
        "selection": str(result.selection),
        "skill": _describe_skill(bench),
        "seeds": list(range(bench.study.seeds)),
        "budget": {
            **{name: getattr(bench.study, name) for name in LIMITS},
            "ended": result.ended,
        },
        "flops": _total_flops(bench, result.outcomes),
        "device": describe_device(),
        "tokens": describe_tokens(bench.examples, bench.processor) if problem.modality == "text" else None,
        "notes": result.notes,
        "label_curve": NO_CURVE if begun.met else explain_counts(bench.strata, bench.study.label_counts),
    }


def _total_flops(bench: Bench, outcomes: Sequence[Outcome]) -> int | None:
    """Return the FLOPs of every trial, final models included, and of the recording; None where one is not known."""
    known = [outcome.flops for outcome in outcomes if outcome.flops is not None]
    shared = bench.recording.flops if bench.recording else 0
    return sum(known) + shared if len(known) == len(outcomes) else None


def _choice(standing: Standing) -> dict[str, Any]:
    candidate = standing.candidate
    return {
        "strategy": candidate.strategy,
        "learning_rate": candidate.learning_rate,
        "steps": standing.steps,
        "trained_groups": list(candidate.trained_groups),
        "trained_parameters": candidate.trained_parameters,
        "reads_all": candidate.reads_all,
        "mean": standing.mean,
        "standard_error": standing.standard_error,
    }


def _describe_probe(result: StudyResult) -> dict[str, Any]:
    """Return how the untouched source's head was trained, and the folder of its models."""
    candidate, steps = result.probe
    facts = {"strategy": candidate.strategy, "learning_rate": candidate.learning_rate, "steps": steps}
    return facts | {"folder": "winner" if result.probe_is_winner else "source"}


def _describe_skill(bench: Bench) -> dict[str, Any] | None:
    """Return what the trials' forgetting was measured with, what was allowed, and what share was replayed."""
    if bench.skill is None:
        return None
    facts = {"metric": bench.skill.problem.metric, "before": bench.skill.before, "rows": len(bench.skill.rows)}
    return facts | {"max_forgetting": bench.study.max_forgetting, "replay": bench.study.replay}


def _row(standing: Standing, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    facts = {"role": standing.candidate.role, "trials": standing.trials, "kept": standing.kept}
    mine = [outcome for outcome in outcomes if key_of(outcome) == key_of(standing.candidate)]
    known = [outcome.flops for outcome in mine if outcome.flops is not None]
    costs = {  # of one trial of this study, in the mean
        "seconds": round(sum(outcome.seconds for outcome in mine) / len(mine), 3) if mine else None,
        "flops": round(sum(known) / len(known)) if known else None,
    }
    lost = {"forgetting": standing.forgetting, "forgetting_error": standing.forgetting_error}
    return _choice(standing) | facts | costs | lost | {"dropped": standing.dropped, "reason": standing.reason}
