"""adapt TARGET: the study; compare strategies inside the labelled budget, train winner, control and probe."""

import json
import logging
import time
from pathlib import Path

import pyarrow as pa

from graft.backbones import save
from graft.catalog import Catalog
from graft.manifest import verify_manifest, whole_folder
from graft.problems import PROBLEMS
from graft.problems.examples import Examples
from graft.progress import Progress
from graft.reading import Dataset, read, values_of
from graft.settings import settings
from graft.study import Bench, count_steps, search, train_finals
from graft.study.description import describe_study
from graft.study.label_curve import Curve, Labels, draw_test, train_curve
from graft.study.label_curve import count_steps as count_curve_steps
from graft.study.preparation import Prepared, prepare
from graft.study.study import shifted
from graft.study.tables import write_tables
from graft.study.warm_start import Memory, begin, open_memory
from graft.training.offsite import forget

log = logging.getLogger(__name__)
SOURCES, FOLDER = Path("checkpoints"), Path("runs")
NO_CURVE = (
    "No label curve: the search went on from an earlier one, whose curve is of other choices or of other test rows. "
    "The next whole search measures it; `study.warm_start: false` asks for one."
)


def run(name: str, catalog: Catalog) -> None:
    """Write `runs/NAME`: the study's rows and curves, and the winner and the control of each seed."""
    target = catalog.target(name)
    started = time.perf_counter()
    source = SOURCES / target.source
    verify_manifest(source)
    dataset = read(target.data, PROBLEMS[target.problem])
    prepared = prepare(name, target, dataset, source)
    bench, tests = prepared.bench, draw_test(dataset.splits["test"].num_rows)
    memory = _open_memory(name, prepared, dataset, tests, source)
    earlier = memory.recall() if target.study.warm_start else None
    start = begin(memory, earlier, prepared.candidates)
    before = count_steps(bench, start.candidates, prepared.selection, start.known)
    with (
        Progress(f"adapt@{name}", before + (0 if earlier else count_curve_steps(bench))) as progress,
        whole_folder(FOLDER / name, step="adapt", name=name) as folder,
    ):
        train, notes = dataset.splits["train"], [*prepared.notes, *start.notes]
        result = search(bench, train, start.candidates, notes, prepared.selection, progress.update, start.known)
        result.left_out = {**prepared.pruned, **start.left_out}
        for role, seed, model in train_finals(bench, result, progress.update):
            save(model, bench.processor, folder / role / f"seed-{seed}")
        if earlier:
            curve = earlier.curve(result, memory.answered, tests)
        else:
            shown = shifted(progress.update, before, "label curve")
            curve = Curve.of([*train_curve(bench, result, _inputs(bench, dataset, tests), shown)], tests)
        write_tables(folder, bench, result, curve)
        facts = describe_study(name, target, bench, dataset, result) | prepared.facts
        facts |= {"source_digest": json.loads((source / "source.json").read_text())["digest"]}
        facts |= {"price_per_hour": settings().price_per_hour}
        facts |= {"warm_start": earlier and {"rows": earlier.rows, "curve_kept": curve.answers is not None}}
        if earlier and curve.answers is None:
            facts["label_curve"] = facts["label_curve"] or NO_CURVE
        facts |= {"seconds": round(prepared.spent + time.perf_counter() - started, 3)}
        (folder / "study.json").write_text(json.dumps(facts, indent=2) + "\n")
    forget(bench.folder)
    if earlier is None and result.ended is None:  # the last: a study that was killed begins with what it began with
        memory.keep(result, curve)
    winner = result.winner
    log.info("adapt %s: %s, %s %.3f", name, winner.candidate.strategy, bench.problem.metric, winner.mean)


def _inputs(bench: Bench, dataset: Dataset, rows: Labels) -> Examples:
    """Return test rows as the label curve's models see them: inputs, the truths are not even encoded."""
    asked = dataset.splits["test"].drop_columns([*bench.problem.truths])
    return bench.problem.encode(asked.take(pa.array(rows)), bench.processor)


def _open_memory(name: str, prepared: Prepared, dataset: Dataset, tests: Labels, source: Path) -> Memory:
    """Return the earlier searches of this target as seen from its rows of now."""
    train, keys = dataset.splits["train"], {name: [key.hex() for key in found] for name, found in dataset.keys.items()}
    marked = [name for name in (*prepared.bench.problem.truths, "group") if name in train.column_names]
    marks = [*zip(*(values_of(train, name) for name in marked), strict=True)] if marked else [()] * train.num_rows
    rows = [f"{key} {mark}" for key, mark in zip(keys["train"], marks, strict=True)]
    files, folder = verify_manifest(source)["files"], settings().work / "studies" / name
    return open_memory(folder, prepared.bench, prepared.candidates, files, rows, keys["test"], tests.tolist())
