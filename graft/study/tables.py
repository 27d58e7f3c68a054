"""What a study leaves as rows: its trials with what was decided about each, curves, and predictions on held rows."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from graft.study.budget import LIMITS
from graft.study.candidates import Candidate
from graft.study.label_curve import Curve
from graft.study.selection import Standing
from graft.study.study import StudyResult
from graft.study.trial import Bench, Outcome

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


def write_tables(folder: Path, bench: Bench, result: StudyResult, curve: Curve) -> None:
    """Fill `folder` with trials.csv, curves.csv, predictions on held rows and, for a label curve, its answers."""
    standings = {key_of(one.candidate): one for one in (*result.standings, *result.control)}
    rows = [asdict(outcome) | _decision(standings.get(key_of(outcome))) for outcome in result.outcomes]
    parts = [
        asdict(one.outcome) | {"decision": "curve", "why": f"trained on {one.rows} labelled rows for the label curve"}
        for one in curve.points
    ]
    _write_csv(
        folder / "trials.csv",
        TRIAL_COLUMNS,
        [*_recording(bench), *rows, *parts, *_left_out(result), *_end(bench, result)],
    )
    points = (row | point for row in rows for point in row["curve"])
    _write_csv(folder / "curves.csv", CURVE_COLUMNS, points)
    for name, chosen in (("validation", result.winner), ("validation_scratch", result.control[0])):
        known = result.known.get(chosen.candidate, ())
        pq.write_table(_held_predictions([*known, *result.outcomes], chosen), folder / f"{name}.parquet")
    if curve.answers is not None:
        pq.write_table(curve.answers, folder / "label_curve.parquet")


def _recording(bench: Bench) -> Iterator[dict[str, Any]]:
    """Yield the row of what all trials share: one pass over the labelled rows fills the prefix cache."""
    if bench.recording is not None:
        why = f"the {bench.recording.rows} labelled rows were run through the frozen layers once, for all trials"
        yield {"role": "recording", "strategy": "prefix-cache", "decision": "shared", "why": why} | asdict(
            bench.recording
        )


def _left_out(result: StudyResult) -> Iterator[dict[str, Any]]:
    """Yield the row of each candidate that got no trial."""
    for one, why in result.left_out.items():
        facts = {"strategy": one.strategy, "learning_rate": one.learning_rate}
        facts |= {"trained_parameters": one.trained_parameters, "why": why}
        yield {"role": "left-out", "decision": f"{one.role} left out"} | facts


def _end(bench: Bench, result: StudyResult) -> Iterator[dict[str, Any]]:
    """Yield the row of a search that its budget ended."""
    if result.ended is not None:
        limit = next(name for name in LIMITS if f"{name} is" in result.ended)
        yield {"role": "budget", "strategy": limit, "decision": "ended", "why": result.ended}


def key_of(of: Candidate | Outcome) -> tuple[str, str, float]:
    """Return what a candidate and its trials have in common."""
    return of.role, of.strategy, of.learning_rate


def _decision(standing: Standing | None) -> dict[str, str]:
    """Return what the search decided about a trial's candidate, and why; final models stand in no comparison."""
    if standing is None:
        return {"decision": "final", "why": "trained on the whole labelled budget"}
    return {"decision": standing.decision, "why": standing.reason}


def _held_predictions(outcomes: Iterable[Outcome], chosen: Standing) -> pa.Table:
    """Return the predictions on rows held out of training; what temperature and threshold may be fitted on."""
    mine = [outcome for outcome in outcomes if key_of(outcome) == key_of(chosen.candidate)]
    return pa.table(
        {
            "seed": pa.array([one.seed for one in mine for _ in one.validation_labels], pa.int64()),
            "fold": pa.array([one.fold for one in mine for _ in one.validation_labels], pa.int64()),
            "label": pa.array([label for one in mine for label in one.validation_labels], pa.int64()),
            "logits": pa.array([row for one in mine for row in one.validation_logits], pa.list_(pa.float32())),
        }
    )


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
