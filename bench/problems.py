"""Does it learn? Every ready catalogue of a real dataset, against scratch and against the trivial answer."""

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import trivial
from bench.catalogues import PROJECT, Project, Run, code_digest, find
from bench.derived import MADE
from bench.harness import Comparison
from bench.results import RESULTS, Conclusion, Guard, Measured, Standing, Standings, Table
from graft.backbones import load_processor
from graft.manifest import write_whole
from graft.problems import problem_of
from graft.reading import read

TITLE = "Problems"
METHOD = """\
Each row is a target of a ready catalogue, `tests/real/NAME/params.yaml`, which goes through the steps that `graft run`
calls: check, pretrain, adapt, evaluate. The networks are small enough for a CPU and begin at random, so the figures
say what a study finds out, not what the datasets allow. *Transfer* is the strategy that the study chose, *scratch* the
same network from random weights with the same budget, each the mean over seeds with a 95 % interval over test rows and
seeds.

*Trivial* is the best answer that does not look at what it is asked (the largest class, the mean mask, the first tokens
of a text, one transcript for every clip), chosen on all training rows and graded on the same test rows. A model that is
better with the intervals apart has learned something. Minutes are those of all steps, the source's included."""
KEPT = "problems"  # folder of the rows beside the results
QUICK = PROJECT.with_name("problems-quick")
ENDS = ("", "_low", "_high")
CALLED = {
    "word_error_rate": "WER",
    "equal_error_rate": "EER",
    "mean_iou": "mean IoU",
    "map": "mAP",
    "auroc": "AUROC",
    "f1": "F1",
}
COLUMNS = ("target", "source", "labels", "metric", "transfer", "scratch", "trivial", "verdict", "strategy", "minutes")


class Row(Standing):
    """What came of one target, which is its `name`."""

    catalogue: str
    source: str
    network: str
    problem: str
    labels: str
    gain: tuple[float, float, float]
    trivial_words: str
    verdict: str
    strategy: str
    study: str
    """How far the search was cut down."""
    test_rows: int
    minutes: float
    date: str
    code: str
    key: str


def comparisons(quick: bool) -> Iterator[Comparison]:
    """Yield nothing: no time is compared."""
    yield from ()


def conclude(measured: Sequence[Measured], quick: bool, only: Sequence[str] = (), again: bool = False) -> Conclusion:
    """Measure the rows that are asked for, and return the table of all that there are."""
    folder = QUICK / "rows" if quick else RESULTS / KEPT
    runs = [run for run in find() if not only or {run.target, run.catalogue} & {*only}]
    if not runs:
        known = ", ".join(run.target for run in find())
        raise SystemExit(f"python -m bench problems: no row {', '.join(only)}; there are {known}")
    for run in runs[:1] if quick and not only else runs:
        if (missing := run.needs) is not None:
            print(f"  {run.target}: left out, {missing} is not there", file=sys.stderr, flush=True)
            continue
        if not trivial.is_known(run.problem):
            print(f"  {run.target}: left out, {trivial.MISSING.format(run.problem.name)}", file=sys.stderr, flush=True)
            continue
        project = run.open(QUICK if quick else PROJECT, quick)
        path = folder / f"{run.target}.json"
        if path.exists() and not again and Row.model_validate_json(path.read_text()).key == project.key:
            print(f"  {run.target}: measured before on the same code and rows", file=sys.stderr, flush=True)
            continue
        row = measure(run, project)
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, row.model_dump_json(indent=2) + "\n")
        print(f"  {' | '.join(_cells(row))}", file=sys.stderr, flush=True)
    return summarise(kept(folder))


def kept(folder: Path) -> list[Row]:
    """Return the rows that were measured, in the order of the table."""
    order = [run.target for run in find()]
    rows = [Row.model_validate_json(path.read_text()) for path in folder.glob("*.json")]
    return sorted((row for row in rows if row.name in order), key=lambda row: order.index(row.name))


def measure(run: Run, project: Project) -> Row:
    """Run a target's steps and return what came of it, beside the trivial answer on the same test rows."""
    key = project.key
    seconds = project.run()
    report = project.folder / "reports" / run.target
    found: dict[str, Any] = json.loads((report / "metrics.json").read_text())
    source, target = project.catalog.source(project.source), project.catalog.target(run.target)
    answer = measure_trivial(project, found)
    ends = {name: tuple(found[f"{name}{end}"] for end in ENDS) for name in ("transfer", "scratch", "gain")}
    config = source.backbone.config or {}
    study = target.study
    return Row(
        catalogue=run.catalogue, name=run.target, source=f"{_name(source.data.path)}, {source.problem}",
        network=str(source.backbone.hub or config.get("architecture") or config.get("model_type")),
        problem=target.problem, metric=found["metric"], higher_is_better=found["higher_is_better"],
        labels=_labels(found), trivial=answer.ends, trivial_words=answer.words,
        **ends, verdict=found["verdict"], strategy=found["strategy"], test_rows=found["test_rows"],
        study=f"{', '.join(study.strategies)}; {study.budget_steps} steps of {study.batch_size}, {study.seeds} seeds",
        minutes=round(seconds / 60, 1), date=datetime.now(UTC).date().isoformat(),
        code=code_digest()[:12], key=key,
    )  # fmt: skip


def measure_trivial(project: Project, found: dict[str, Any]) -> trivial.Trivial:
    """Return the trivial answer: chosen on every training row there is, graded on the test rows of the evaluation."""
    target = project.catalog.target(project.target)
    problem = problem_of(target)
    data = read(target.data, problem)
    whole = read(target.data.model_copy(update={"labels": None, "labels_per_class": None}), problem)
    folder = project.folder / "runs" / project.target / "winner" / f"seed-{found['seed']}"
    processor = load_processor(folder, problem)
    train, test = (problem.encode(rows, processor) for rows in (whole.splits["train"], data.splits["test"]))
    draws = {"resamples": target.study.resamples, "confidence": target.study.confidence}
    return trivial.measure(problem, train, test, data.labels, **draws)


def summarise(rows: Sequence[Row]) -> Conclusion:
    """Return the table, and which models have learned something."""
    missing = [run.target for run in find() if run.target not in {row.name for row in rows}]
    left = f" Not measured yet: {', '.join(missing)}." if missing else ""
    short = [row.name for row in rows if not row.learned]
    guard = Guard(
        name="trained models better than the trivial answer, intervals apart",
        found=f"{len(rows) - len(short)} of {len(rows)}" + (f"; not {', '.join(short)}" if short else ""),
        holds=not short,
    )  # fmt: skip
    table = Table(
        title="Every real dataset",
        note="WER is the word error rate, of which less is better. In bold what is better than the trivial answer with "
        f"the intervals apart.{left}",
        columns=COLUMNS,
        rows=tuple(_cells(row) for row in rows),
    )  # fmt: skip
    cut = Table(
        title="What was cut",
        note="The budget of each study. Minutes, above, are those of all steps when they ran: on shared cores they say "
        "little.",
        columns=("target", "network", "study", "test rows", "date"),
        rows=tuple((row.name, row.network, row.study, f"{row.test_rows:,}", row.date) for row in rows),
    )  # fmt: skip
    standings = Standings(
        title="Models, their controls and the trivial answer", axis="metric on the test rows, with 95 % intervals",
        rows=tuple(
            Standing.model_validate(
                row.model_dump(include={*Standing.model_fields}) | {"metric": CALLED.get(row.metric, row.metric)}
            )
            for row in rows
        ),
    )  # fmt: skip
    return Conclusion(guards=(guard,), tables=(table, cut), standings=standings)


def _cells(row: Row) -> tuple[str, ...]:
    bold = "**" if row.learned else ""
    return (
        row.name,
        row.source,
        row.labels,
        CALLED.get(row.metric, row.metric.replace("_", " ")),
        f"{bold}{_interval(row.transfer)}{bold}",
        _interval(row.scratch),
        f"{_interval(row.trivial)}: {row.trivial_words}",
        row.verdict,
        row.strategy,
        f"{row.minutes:.1f}",
    )


def _interval(ends: tuple[float, float, float]) -> str:
    value, low, high = ends
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def _labels(found: dict[str, Any]) -> str:
    each = found["labels_per_class"]
    return f"{found['train_rows']:,}" + (f" ({each} a class)" if each else "")


def _name(path: str) -> str:
    """Return the folder of a dataset, without where it lies."""
    within = f"/{MADE}/" if f"/{MADE}/" in path else "/data/"
    return path.rpartition(within)[2].removesuffix(".parquet").replace("/", " ")
