"""adapt TARGET: the study; compare strategies inside the labelled budget, train winner, control and probe."""

import json
import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from graft.backbones import layer_groups, load, load_processor, save
from graft.catalog import Catalog
from graft.manifest import digest, verify_manifest, whole_folder
from graft.problems import PROBLEMS
from graft.progress import Progress
from graft.reading import Dataset, read
from graft.settings import settings
from graft.study import Bench, StudyResult, count_steps, plan, search, train_finals
from graft.study.budget import require_one_round
from graft.study.caching import with_prefix
from graft.study.description import describe_study
from graft.study.label_curve import Curve, choose_counts, draw_test, train_curve
from graft.study.label_curve import count_steps as count_curve_steps
from graft.study.pruning import note, plain, prune
from graft.study.skill import open_skill
from graft.study.study import Report
from graft.study.tables import write_tables
from graft.training.batches import group_by_length
from graft.transferability.boundaries import count_drawn, describe, score_checkpoint

log = logging.getLogger(__name__)
SOURCES, FOLDER = Path("checkpoints"), Path("runs")


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
    # what moves nothing of the source is what a forgetting budget falls back on
    safe = [one for one in candidates if not one.moves_source] if target.study.max_forgetting is not None else []
    rows = count_drawn(bench.examples)
    candidates, left_out = prune(candidates, groups, boundaries, target.study.prune, rows, safe)
    require_one_round(target.study, candidates)
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
        write_tables(folder, bench, result, curve)
        facts = describe_study(name, target, bench, dataset, result)
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
