"""evaluate TARGET: every arm on test, once; the verdict, the report and the package for the registry."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graft.backbones import load_processor
from graft.catalog import Catalog, Target
from graft.errors import DataError
from graft.evaluation.arms import Arm, load_models, predict_arms
from graft.evaluation.calibration import reliability, softmax
from graft.evaluation.cost import read_rows
from graft.evaluation.cost import summarise as summarise_cost
from graft.evaluation.forgetting import measure_forgetting
from graft.evaluation.label_curve import LabelCurve, measure_label_curve
from graft.evaluation.measures import draws_of, fitted_temperature, plain, summarise
from graft.evaluation.operating_point import OperatingPoint, measure_operating_point
from graft.evaluation.package import predictions, write_golden, write_package
from graft.evaluation.robustness import (
    Probes,
    Robustness,
    count_sets,
    measure_corruptions,
    measure_groups,
    measure_shift,
    unmeasured,
)
from graft.evaluation.samples import Sample, write_samples
from graft.evaluation.thresholds import read_thresholds
from graft.manifest import MANIFEST, files_digest, list_files, sha256, verify_manifest, whole_folder
from graft.problems import PROBLEMS, Problem, problem_of
from graft.problems.problem import has_classes
from graft.progress import Progress
from graft.reading import Dataset, read, read_shift, row_hashes
from graft.report.card import render_card
from graft.report.evidence import Evidence, Fact, count_confusions, worst_answers, worst_mistakes
from graft.report.pairs import accept_curves, hardest_pairs
from graft.report.write import write_report

Report = Callable[[str], None]

log = logging.getLogger(__name__)
SOURCES, CHECKS, SHIFTS, RUNS = Path("checkpoints"), Path("checks/targets"), Path("checks/shifts"), Path("runs")
REPORTS, PACKAGES = Path("reports"), Path("packages")


@dataclass(frozen=True)
class Inputs:
    """What one evaluation reads, every file of it compared with its manifest."""

    name: str
    target: Target
    source: Path
    run: Path
    study: Mapping[str, Any]
    checks: Mapping[str, Any]
    dataset: Dataset
    shifts: Mapping[str, Dataset]
    problem: Problem
    source_problem: Problem

    @property
    def test(self) -> pa.Table:
        """The test rows."""
        return self.dataset.splits["test"]

    @property
    def groups(self) -> list[str] | None:
        """The group of each test row, where the catalogue names a column for it."""
        return self.test["group"].to_pylist() if "group" in self.test.column_names else None


@dataclass(frozen=True)
class Measured:
    """What one evaluation found."""

    arms: Mapping[str, Arm]
    metrics: Mapping[str, Any]
    robustness: Robustness
    label_curve: LabelCurve
    operating_point: OperatingPoint
    predictions: pa.Table
    samples: Sequence[Sample]

    @property
    def winner(self) -> Arm:
        """The arm that is packaged."""
        return self.arms["transfer"]


def run(name: str, catalog: Catalog) -> None:
    """Write `reports/NAME` and `packages/NAME`, each whole or not at all."""
    inputs = _open(name, catalog)
    rows, done = inputs.target.evaluation.robustness_rows, count(1)
    total = 4 + count_sets(inputs.problem, rows, len(inputs.shifts))
    with Progress(f"evaluate@{name}", total, "parts") as progress:

        def report_part(message: str) -> None:
            progress.update(next(done), message)

        found = _measure(inputs, report_part)
        with whole_folder(REPORTS / name, step="evaluate", name=name) as report:
            with whole_folder(PACKAGES / name, step="evaluate", name=name) as package:
                digest = _package(package, inputs, found)
            report_part("package written")
            metrics = {**found.metrics, "package": digest}
            write_report(report, inputs.run, _evidence(inputs, found, metrics), found.predictions)
        report_part("report written")
    log.info("evaluate %s: %s, gain %+.4f (%+.4f to %+.4f)", name, metrics["verdict"], *_gain(metrics))


def _open(name: str, catalog: Catalog) -> Inputs:
    target = catalog.target(name)
    problem = problem_of(target)
    source, run, checks = SOURCES / target.source, RUNS / name, CHECKS / name
    for folder in (source, run, checks):
        verify_manifest(folder)
    study, dataset = _read_json(run / "study.json"), read(target.data, problem)
    if study["dataset"] != dataset.fingerprint:
        raise DataError(
            f"{target.data.path}: the rows are not those that runs/{name} was trained on",
            [f"fingerprint now {dataset.fingerprint[:12]}, in the study {study['dataset'][:12]}"],
            f"Run `graft run {name}`: it adapts again and then evaluates.",
        )
    problem = problem.named(dataset.labels)
    target.evaluation.positive_among(dataset.labels)  # before anything is measured
    source_problem = PROBLEMS[catalog.source(target.source).problem]
    shifts, found = _open_shifts(name, target, problem, dataset.labels), _read_json(checks / "check.json")
    return Inputs(name, target, source, run, study, found, dataset, shifts, problem, source_problem)


def _open_shifts(name: str, target: Target, problem: Problem, labels: Sequence[str]) -> dict[str, Dataset]:
    """Return the shift sets; raises DataError where their rows are not those that were checked before training."""
    if not target.evaluation.shifts:
        return {}
    verify_manifest(SHIFTS / name)
    checked = _read_json(SHIFTS / name / "shifts.json")
    shifts = {each: read_shift(shift, problem, labels) for each, shift in target.evaluation.shifts.items()}
    if changed := [each for each, rows in shifts.items() if rows.fingerprint != checked.get(each, {}).get("dataset")]:
        raise DataError(
            f"{name}: the rows of {len(changed)} shift set(s) are not those that were checked",
            [f"{each}: {target.evaluation.shifts[each].path}" for each in changed],
            f"Run `graft run {name}`: it checks again and then evaluates.",
        )
    return shifts


def _measure(inputs: Inputs, report: Report) -> Measured:
    study, problem, settings = inputs.study, inputs.problem, inputs.target.study
    packaged = inputs.run / "winner" / f"seed-{study['seeds'][0]}"
    processor, models = load_processor(packaged, problem), load_models(inputs.run, study, problem)
    arms = predict_arms(models, problem, problem.encode(inputs.test, processor), processor)
    report("test rows predicted")
    draws = draws_of(settings, problem, study)
    robustness = _probe(inputs, Probes(models, problem, processor, draws), arms, report)
    note, rows = study.get("label_curve"), study["train_rows"]
    classes = len(study["labels"]) if has_classes(problem) else 1
    curve = measure_label_curve(inputs.run / "label_curve.parquet", note, problem, arms, rows, draws, classes)
    forgetting = measure_forgetting(inputs.source, packaged, inputs.source_problem, problem)
    report("forgetting measured")
    temperature = fitted_temperature(inputs.run / "validation.parquet") if has_classes(problem) else 1.0
    metrics = summarise(study, settings, problem, arms, forgetting, temperature, robustness.metrics)
    metrics |= {key: plain(value) for key, value in curve.metrics.items()}
    point = measure_operating_point(
        inputs.run, inputs.target.evaluation, problem, arms, temperature, inputs.groups, draws
    )
    metrics |= {key: plain(value) for key, value in point.metrics.items()}
    if problem.compares:
        metrics |= read_thresholds(inputs.run / "validation.parquet", arms["transfer"])
    hashes = row_hashes(inputs.test, problem)
    answers = predictions(problem, hashes, arms["transfer"], arms["scratch"], temperature)
    texts = inputs.test["text"].to_pylist() if problem.writes else []
    seed = int(study["seeds"][0])
    samples = write_samples(problem, inputs.source, models["transfer"][0], processor, texts, seed)
    return Measured(arms, metrics, robustness, curve, point, answers, samples)


def _probe(inputs: Inputs, probes: Probes, arms: Mapping[str, Arm], report: Report) -> Robustness:
    """Measure what is asked of corruptions, shift sets and groups."""
    rows, test = inputs.target.evaluation.robustness_rows, inputs.test
    corrupts = bool(rows and inputs.problem.corruptions)
    found = measure_corruptions(probes, arms, test, rows, report) if corrupts else unmeasured(probes.draws)
    for name, shift in inputs.shifts.items():
        found.add(measure_shift(probes, name, shift.splits["test"]))
        report(f"shift set {name}")
    found.add(measure_groups(arms, inputs.groups, probes.draws))
    return found


def _package(folder: Path, inputs: Inputs, found: Measured) -> str:
    """Fill the package's folder and return the digest over its files."""
    study, metrics = inputs.study, found.metrics
    model = inputs.run / "winner" / f"seed-{study['seeds'][0]}"
    write_package(folder, model, study, metrics, render_card(study, metrics))
    write_golden(folder, inputs.problem, inputs.test, study["labels"], metrics["temperature"])
    pq.write_table(found.predictions, folder / "predictions.parquet")
    return files_digest(list_files(folder))


def _evidence(inputs: Inputs, found: Measured, metrics: Mapping[str, Any]) -> Evidence:
    trials = read_rows(inputs.run / "trials.csv")
    return Evidence(
        metrics=metrics,
        study=inputs.study,
        trials=trials,
        curves=read_rows(inputs.run / "curves.csv"),
        costs=summarise_cost(trials, metrics["price_per_hour"]),
        **_look(inputs, found, metrics["temperature"]),
        robustness=found.robustness.points,
        label_curve=found.label_curve,
        roc=found.operating_point.curves,
        lineage=_lineage(inputs, metrics),
        checks=inputs.checks,
        drawn=inputs.target.study.report,
        samples=found.samples,
    )


def _look(inputs: Inputs, found: Measured, temperature: float | None) -> dict[str, Any]:
    """Return what the report shows of single rows and classes, or of pairs of rows."""
    winner = found.winner
    if inputs.problem.compares:
        mistakes = hardest_pairs(inputs.test, winner)
        return {"confusion": None, "reliability": None, "mistakes": mistakes, "accepts": accept_curves(found.arms)}
    if not has_classes(inputs.problem):
        mistakes = worst_answers(inputs.test, winner, inputs.problem)
        return {"confusion": None, "reliability": None, "mistakes": mistakes}
    truth, labels = np.asarray(winner.truths), inputs.study["labels"]
    plain, calibrated = softmax(winner.answers[0]), softmax(winner.answers[0], temperature or 1.0)
    return {
        "confusion": count_confusions(truth, calibrated),
        "reliability": (reliability(plain, truth), reliability(calibrated, truth)),
        "mistakes": worst_mistakes(inputs.test, calibrated, labels, inputs.problem),
    }


def _lineage(inputs: Inputs, metrics: Mapping[str, Any]) -> list[Fact]:
    source, made = _read_json(inputs.source / "source.json"), _read_json(inputs.run / MANIFEST)
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    asked, tried = inputs.target.evaluation.shifts, inputs.study.get("champion")
    champion = (tried["version"], tried["digest"]) if tried and "met_hashes" in inputs.study else None
    return [
        Fact("source data", inputs.target.source, source["dataset"]),
        Fact("source weights", str(inputs.source), source["digest"]),
        *([Fact("champion, begun from", *champion)] if champion else []),
        Fact("target data", inputs.target.data.path, inputs.dataset.fingerprint),
        *(Fact(f"shift set {name}", asked[name].path, rows.fingerprint) for name, rows in inputs.shifts.items()),
        Fact("data checks", str(CHECKS / inputs.name), sha256(CHECKS / inputs.name / MANIFEST)),
        Fact("study", f"{inputs.run}, {made['written']}, {inputs.study['device']}", sha256(inputs.run / MANIFEST)),
        Fact("seeds", ", ".join(map(str, inputs.study["seeds"]))),
        Fact("package", str(PACKAGES / inputs.name), metrics["package"]),
        Fact("versions", versions),
    ]


def _gain(metrics: Mapping[str, Any]) -> tuple[float, float, float]:
    return metrics["gain"], metrics["gain_low"], metrics["gain_high"]


def _read_json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))
