"""evaluate TARGET: winner and control on test, once; the verdict, the report and the package for the registry."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from graft.catalog import Catalog, Target
from graft.errors import DataError
from graft.evaluation.arms import Arm, predict_arm
from graft.evaluation.calibration import reliability, softmax
from graft.evaluation.cost import read_rows
from graft.evaluation.cost import summarise as summarise_cost
from graft.evaluation.forgetting import measure_forgetting
from graft.evaluation.measures import fitted_temperature, summarise
from graft.evaluation.package import predictions, write_golden, write_package
from graft.manifest import MANIFEST, files_digest, list_files, sha256, verify_manifest, whole_folder
from graft.problems import PROBLEMS, Problem
from graft.progress import Progress
from graft.reading import Dataset, read, row_hashes
from graft.report.card import render_card
from graft.report.evidence import Evidence, Fact, count_confusions, worst_mistakes
from graft.report.write import write_report

log = logging.getLogger(__name__)
SOURCES, CHECKS, RUNS = Path("checkpoints"), Path("checks/targets"), Path("runs")
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
    problem: Problem
    source_problem: Problem

    @property
    def test(self) -> pa.Table:
        """The test rows."""
        return self.dataset.splits["test"]


@dataclass(frozen=True)
class Measured:
    """What one evaluation found."""

    winner: Arm
    control: Arm
    metrics: Mapping[str, Any]
    predictions: pa.Table


def run(name: str, catalog: Catalog) -> None:
    """Write `reports/NAME` and `packages/NAME`, each whole or not at all."""
    inputs = _open(name, catalog)
    with Progress(f"evaluate@{name}", 4, "parts") as progress:
        found = _measure(inputs, progress)
        with whole_folder(REPORTS / name, step="evaluate", name=name) as report:
            with whole_folder(PACKAGES / name, step="evaluate", name=name) as package:
                digest = _package(package, inputs, found)
            progress.update(3, "package written")
            metrics = {**found.metrics, "package": digest}
            write_report(report, inputs.run, _evidence(inputs, found, metrics), found.predictions)
        progress.update(4, "report written")
    log.info("evaluate %s: %s, gain %+.4f (%+.4f to %+.4f)", name, metrics["verdict"], *_gain(metrics))


def _open(name: str, catalog: Catalog) -> Inputs:
    target = catalog.target(name)
    problem = PROBLEMS[target.problem]
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
    source_problem = PROBLEMS[catalog.source(target.source).problem]
    return Inputs(name, target, source, run, study, _read_json(checks / "check.json"), dataset, problem, source_problem)


def _measure(inputs: Inputs, progress: Progress) -> Measured:
    seeds, problem = inputs.study["seeds"], inputs.problem
    winner = predict_arm(inputs.run / "winner", seeds, problem, inputs.test)
    control = predict_arm(inputs.run / "control", seeds, problem, inputs.test)
    progress.update(1, "test rows predicted")
    packaged = inputs.run / "winner" / f"seed-{seeds[0]}"
    forgetting = measure_forgetting(inputs.source, packaged, inputs.source_problem, problem)
    progress.update(2, "forgetting measured")
    temperature = fitted_temperature(inputs.run / "validation.parquet")
    metrics = summarise(inputs.study, inputs.target.study, problem, winner, control, forgetting, temperature)
    rows = predictions(row_hashes(inputs.test, problem), winner, control, temperature)
    return Measured(winner, control, metrics, rows)


def _package(folder: Path, inputs: Inputs, found: Measured) -> str:
    """Fill the package's folder and return the digest over its files."""
    study, metrics = inputs.study, found.metrics
    model = inputs.run / "winner" / f"seed-{study['seeds'][0]}"
    write_package(folder, model, study, metrics, render_card(study, metrics))
    write_golden(folder, inputs.problem, inputs.test, study["labels"], metrics["temperature"])
    pq.write_table(found.predictions, folder / "predictions.parquet")
    return files_digest(list_files(folder))


def _evidence(inputs: Inputs, found: Measured, metrics: Mapping[str, Any]) -> Evidence:
    logits, truth, labels = found.winner.logits[0], found.winner.labels, inputs.study["labels"]
    plain, calibrated = softmax(logits), softmax(logits, metrics["temperature"])
    trials = read_rows(inputs.run / "trials.csv")
    return Evidence(
        metrics=metrics,
        study=inputs.study,
        trials=trials,
        curves=read_rows(inputs.run / "curves.csv"),
        costs=summarise_cost(trials),
        confusion=count_confusions(truth, calibrated),
        reliability=(reliability(plain, truth), reliability(calibrated, truth)),
        mistakes=worst_mistakes(inputs.test, calibrated, labels, inputs.problem),
        lineage=_lineage(inputs, metrics),
        checks=inputs.checks,
    )


def _lineage(inputs: Inputs, metrics: Mapping[str, Any]) -> list[Fact]:
    source, made = _read_json(inputs.source / "source.json"), _read_json(inputs.run / MANIFEST)
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    return [
        Fact("source data", inputs.target.source, source["dataset"]),
        Fact("source weights", str(inputs.source), source["digest"]),
        Fact("target data", inputs.target.data.path, inputs.dataset.fingerprint),
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
