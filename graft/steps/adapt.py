"""adapt TARGET: the study; compare strategies inside the labelled budget, train winner, control and probe."""

import csv
import json
import logging
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graft.backbones import layer_groups, load, load_processor, renew_head, save
from graft.catalog import Catalog
from graft.manifest import digest, verify_manifest, whole_folder
from graft.problems import PROBLEMS
from graft.problems.tokens import describe_tokens
from graft.progress import Progress
from graft.reading import Dataset, read, row_hashes
from graft.settings import settings
from graft.study import Bench, Outcome, StudyResult, count_steps, plan, search, train_finals
from graft.study.caching import with_prefix
from graft.study.candidates import Candidate
from graft.study.label_curve import Curve, choose_counts, draw_test, explain_counts, train_curve
from graft.study.label_curve import count_steps as count_curve_steps
from graft.study.pruning import note, plain, prune
from graft.study.selection import Standing
from graft.study.skill import open_skill
from graft.study.study import Report
from graft.training import describe_device
from graft.training.batches import group_by_length
from graft.transferability.boundaries import count_drawn, describe, score_checkpoint

log = logging.getLogger(__name__)
SOURCES, FOLDER = Path("checkpoints"), Path("runs")
TRIAL_COLUMNS = (
    "role",
    "strategy",
    "learning_rate",
    "seed",
    "fold",
    "steps",
    "metric",
    "loss",
    "forgetting",
    "seconds",
    "flops",
    "trained_parameters",
    "peak_memory_bytes",
    "decision",
    "why",
)
CURVE_COLUMNS = (*TRIAL_COLUMNS[:5], "step", "train_loss", "validation_loss", "validation_metric")


def run(name: str, catalog: Catalog) -> None:
    """Write `runs/NAME`: the study's rows and curves, and the winner and the control of each seed."""
    target = catalog.target(name)
    started = time.perf_counter()
    source = SOURCES / target.source
    verify_manifest(source)
    dataset = read(target.data, PROBLEMS[target.problem])
    bench = _set_up(name, catalog, dataset, source)
    train = dataset.splits["train"]
    choose_counts(np.asarray(bench.examples.labels), bench.study.label_counts)  # what cannot be drawn is said first
    boundaries = _score(bench, source)
    earlier = _spent(bench.folder)
    candidates, notes, selection = plan(bench, train, target.data)
    groups = [group.name for group in layer_groups(bench.source)]
    candidates, left_out = prune(candidates, groups, boundaries, target.study.prune, count_drawn(bench.examples))
    bench = with_prefix(bench, candidates, name)
    notes += [*map(note, left_out), *_undefined(boundaries)]
    before = count_steps(bench, candidates, selection)
    with (
        Progress(f"adapt@{name}", before + count_curve_steps(bench)) as progress,
        whole_folder(FOLDER / name, step="adapt", name=name) as folder,
    ):
        result = search(bench, train, candidates, notes, selection, progress.update)
        for role, seed, model in train_finals(bench, result, progress.update):
            save(model, bench.processor, folder / role / f"seed-{seed}")
        curve = _train_curve(bench, dataset, result, lambda step, message: progress.update(before + step, message))
        _write(folder, bench, dataset, result, curve)
        facts = _describe(name, catalog, bench, dataset, result)
        facts |= {"source_digest": json.loads((source / "source.json").read_text())["digest"]}
        facts |= {"scores": boundaries[-1]["scores"], "boundary_scores": boundaries, "left_out": plain(left_out)}
        facts |= {"price_per_hour": settings().price_per_hour}
        facts |= {"seconds": round(earlier + time.perf_counter() - started, 3)}
        (folder / "study.json").write_text(json.dumps(facts, indent=2) + "\n")
    shutil.rmtree(bench.folder, ignore_errors=True)
    winner = result.winner
    log.info("adapt %s: %s, %s %.3f", name, winner.candidate.strategy, bench.problem.metric, winner.mean)


def _set_up(name: str, catalog: Catalog, dataset: Dataset, source: Path) -> Bench:
    target = catalog.target(name)
    problem = PROBLEMS[target.problem]
    processor = load_processor(source, problem)
    key = digest(
        {
            "dataset": dataset.fingerprint,
            "data": target.data.model_dump(),
            "study": target.study.model_dump(),
            "source": verify_manifest(source)["files"],
        }
    )
    work = settings().work / "work" / f"adapt@{name}"
    for other in work.glob("*"):  # trials of another catalogue entry or of other rows
        if other.name != key:
            shutil.rmtree(other, ignore_errors=True)
    return Bench(
        problem=problem,
        processor=processor,
        source=load(source, problem, dataset.labels),
        labels=dataset.labels,
        examples=group_by_length(problem.encode(dataset.splits["train"], processor), target.study.batch_size),
        study=target.study,
        folder=work / key,
        skill=open_skill(source, target.study),
    )


def _spent(folder: Path) -> float:
    """Return the seconds that a study spent before it was stopped: on its cache, and on trials that were finished."""
    kept = [*folder.glob("recording.json"), *folder.glob("*/outcome.json")]
    return float(sum(json.loads(path.read_text())["seconds"] for path in kept))


def _score(bench: Bench, source: Path) -> list[dict[str, Any]]:
    """Return the cheap scores of the labelled budget at every boundary, the one just below the head last.

    They decide nothing here: the report and history compare them with what came of it, and so find out what they
    are worth.
    """
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


def _train_curve(bench: Bench, dataset: Dataset, result: StudyResult, report: Report) -> Curve:
    """Train what the label curve asks for; of the test rows the models see inputs, the labels are not even encoded."""
    test = dataset.splits["test"]
    rows = draw_test(test.num_rows)
    inputs = bench.problem.encode(test.drop_columns(["label"]).take(pa.array(rows)), bench.processor)
    return Curve(rows, list(train_curve(bench, result, inputs, report)))


def _write(folder: Path, bench: Bench, dataset: Dataset, result: StudyResult, curve: Curve) -> None:
    standings = {_key(one.candidate): one for one in (*result.standings, *result.control)}
    rows = [asdict(outcome) | _decision(standings.get(_key(outcome))) for outcome in result.outcomes]
    parts = [
        asdict(one.outcome) | {"decision": "curve", "why": f"trained on {one.rows} labelled rows for the label curve"}
        for one in curve.points
    ]
    _write_csv(folder / "trials.csv", TRIAL_COLUMNS, [*_recording(bench), *rows, *parts, *_end(bench, result)])
    points = (row | point for row in rows for point in row["curve"])
    _write_csv(folder / "curves.csv", CURVE_COLUMNS, points)
    pq.write_table(_held_predictions(result.outcomes, result.winner), folder / "validation.parquet")
    if curve.points:
        pq.write_table(curve.table(), folder / "label_curve.parquet")


def _recording(bench: Bench) -> Iterator[dict[str, Any]]:
    """Yield the row of what all trials share: one pass over the labelled rows fills the prefix cache."""
    if bench.recording is not None:
        why = f"the {bench.recording.rows} labelled rows were run through the frozen layers once, for all trials"
        yield {"role": "recording", "strategy": "prefix-cache", "decision": "shared", "why": why} | asdict(
            bench.recording
        )


def _end(bench: Bench, result: StudyResult) -> Iterator[dict[str, Any]]:
    """Yield the row of a search that its budget ended."""
    if result.ended is not None:
        limit = "max_trials" if "max_trials is" in result.ended else "max_seconds"
        yield {"role": "budget", "strategy": limit, "decision": "ended", "why": result.ended}


def _key(of: Candidate | Outcome) -> tuple[str, str, float]:
    return of.role, of.strategy, of.learning_rate


def _decision(standing: Standing | None) -> dict[str, str]:
    """Return what the search decided about a trial's candidate, and why; final models stand in no comparison."""
    if standing is None:
        return {"decision": "final", "why": "trained on the whole labelled budget"}
    return {"decision": standing.decision, "why": standing.reason}


def _held_predictions(outcomes: Iterable[Outcome], winner: Standing) -> pa.Table:
    """Return the winner's predictions on rows held out of its training; what temperature may be fitted on."""
    mine = [outcome for outcome in outcomes if _key(outcome) == _key(winner.candidate)]
    return pa.table(
        {
            "seed": pa.array([one.seed for one in mine for _ in one.validation_labels], pa.int64()),
            "label": pa.array([label for one in mine for label in one.validation_labels], pa.int64()),
            "logits": pa.array([row for one in mine for row in one.validation_logits], pa.list_(pa.float32())),
        }
    )


def _describe(name: str, catalog: Catalog, bench: Bench, dataset: Dataset, result: StudyResult) -> dict[str, Any]:
    target = catalog.target(name)
    problem, train = bench.problem, dataset.splits["train"]
    trained = result.winner.candidate.trained_groups
    groups = layer_groups(renew_head(bench.source, problem, bench.labels, seed=0))
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
        "train_hashes": row_hashes(train, problem),
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
            "max_trials": bench.study.max_trials,
            "max_seconds": bench.study.max_seconds,
            "ended": result.ended,
        },
        "flops": _total_flops(bench, result.outcomes),
        "device": describe_device(),
        "tokens": describe_tokens(bench.examples, bench.processor) if problem.modality == "text" else None,
        "notes": result.notes,
        "label_curve": explain_counts(np.asarray(bench.examples.labels), bench.study.label_counts),
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
    mine = [outcome for outcome in outcomes if _key(outcome) == _key(standing.candidate)]
    known = [outcome.flops for outcome in mine if outcome.flops is not None]
    costs = {  # of one trial, in the mean
        "seconds": round(sum(outcome.seconds for outcome in mine) / len(mine), 3),
        "flops": round(sum(known) / len(known)) if known else None,
    }
    lost = {"forgetting": standing.forgetting, "forgetting_error": standing.forgetting_error}
    return _choice(standing) | facts | costs | lost | {"dropped": standing.dropped, "reason": standing.reason}


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
