"""What comes before the first trial: rows encoded, depths scored, candidates made and pruned, the prefix recorded."""

import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.backbones import Carried, layer_groups, load_listed, load_processor, read_config
from graft.catalog import Target
from graft.manifest import digest, verify_manifest
from graft.problems import PROBLEMS, problem_of
from graft.problems.problem import has_classes
from graft.reading import Dataset
from graft.settings import settings
from graft.strategies import go_on_from_champion
from graft.study.budget import require_one_round
from graft.study.caching import with_prefix
from graft.study.candidates import Candidate
from graft.study.folds import Selection
from graft.study.going_on import NOWHERE, start_from_champion
from graft.study.label_curve import choose_counts
from graft.study.pruning import note, plain, prune
from graft.study.skill import open_skill
from graft.study.study import plan
from graft.study.trial import Bench
from graft.training.batches import group_by_length
from graft.transferability.boundaries import count_drawn, describe, score_checkpoint

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """What a search is about to compare."""

    bench: Bench
    candidates: list[Candidate]
    pruned: Mapping[Candidate, str]
    """Who is left out by the scores, and why."""
    notes: list[str]
    selection: Selection
    spent: float
    """Seconds, where the study was begun before."""
    facts: dict[str, Any]
    """The scores, who is left out by them, and what the network has from the source, as study.json holds it."""


def prepare(name: str, target: Target, dataset: Dataset, source: Path) -> Prepared:
    """Return the candidates that are left by the scores, and the bench with what they share: for `adapt`.

    Raises CatalogError where label counts or the budget in trials do not fit, before anything is trained.
    """
    bench, carried = _set_up(name, target, dataset, source)
    log.info("adapt %s: %s", name, carried)
    choose_counts(bench.strata, bench.study.label_counts)  # what cannot be drawn is said first
    boundaries = _score(bench, source)
    spent = _spent(bench.folder)
    candidates, notes, selection = plan(bench, dataset.splits["train"], target.data)
    groups = [group.name for group in layer_groups(bench.source)]
    # what moves nothing of the source is what a forgetting budget falls back on
    safe = [one for one in candidates if not one.moves_source] if target.study.max_forgetting is not None else []
    rows = count_drawn(bench.examples) if has_classes(bench.problem) else 0
    planned, (candidates, left_out) = candidates, prune(candidates, groups, boundaries, target.study.prune, rows, safe)
    reasons = {(one.strategy, one.learning_rate): one.reason for one in left_out}
    pruned = {one: reasons[one.strategy, one.learning_rate] for one in planned if one not in candidates}
    require_one_round(target.study, candidates)
    bench = with_prefix(bench, candidates, name)
    notes += [*map(note, left_out), *_undefined(boundaries)]
    notes += [] if has_classes(bench.problem) else ["no cheap scores: they are read from classes, and there are none"]
    facts = {"scores": boundaries[-1]["scores"], "boundary_scores": boundaries, "left_out": plain(left_out)}
    facts["carried"] = carried.describe()
    return Prepared(bench, candidates, pruned, notes, selection, spent, facts)


def _set_up(name: str, target: Target, dataset: Dataset, source: Path) -> tuple[Bench, Carried]:
    problem = problem_of(target)
    train = dataset.splits["train"]
    processor = problem.fit(load_processor(source, problem), train, read_config(source))
    model, carried = load_listed(source, problem, dataset.labels, head=problem.head(processor))
    goes_on = go_on_from_champion(target.study.strategies)
    champion = start_from_champion(name, problem, processor, model, dataset) if goes_on else NOWHERE
    asked = {
        "dataset": dataset.fingerprint,
        "data": target.data.model_dump(),
        "study": target.study.model_dump(),
        "source": verify_manifest(source)["files"],
    }
    key = digest(asked if champion.unfit else {**asked, "champion": champion.digest})
    work = settings().work / "work" / f"adapt@{name}"
    for other in work.glob("*"):  # trials of another catalogue entry or of other rows
        if other.name != key:
            shutil.rmtree(other, ignore_errors=True)
    bench = Bench(
        problem=problem,
        processor=processor,
        source=model,
        labels=dataset.labels,
        examples=group_by_length(problem.encode(train, processor), target.study.batch_size),
        study=target.study,
        folder=work / key,
        skill=open_skill(source, target.study),
        champion=champion,
    )
    return bench, carried


def _spent(folder: Path) -> float:
    """Return the seconds that a study spent before it was stopped: on its cache, and on trials that were finished."""
    kept = [*folder.glob("recording.json"), *folder.glob("*/outcome.json")]
    return float(sum(json.loads(path.read_text())["seconds"] for path in kept))


def _score(bench: Bench, source: Path) -> list[dict[str, Any]]:
    """Return the cheap scores of the labelled budget at every boundary, the one just below the head last.

    They decide nothing here: the report and history compare them with what came of it, and so find out what they
    are worth. They are read from classes; where the target has none, there are none.
    """
    if not has_classes(bench.problem):
        below = layer_groups(bench.source)[:-1]
        return [{"boundary": group.name, "scores": {}, "undefined": {}} for group in below]
    origin = PROBLEMS[json.loads((source / "source.json").read_text())["problem"]]
    return describe(score_checkpoint(source, origin, bench.problem, bench.examples, bench.processor))


def _undefined(boundaries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a note for each score and reason that leaves boundaries without a value."""
    places: dict[tuple[str, str], list[str]] = {}
    for found in boundaries:
        for score, reason in found["undefined"].items():
            places.setdefault((score, reason), []).append(found["boundary"])
    everywhere = len(boundaries)
    return [
        f"the score {score} is undefined {'here' if len(names) == everywhere else 'at ' + ', '.join(names)}: {reason}"
        for (score, reason), names in places.items()
    ]
