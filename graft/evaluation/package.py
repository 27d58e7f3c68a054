"""The model package: a Hugging Face folder with what is needed to use it, to check it and to compare it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graft import __version__
from graft.evaluation.arms import Arm
from graft.evaluation.calibration import softmax
from graft.problems.problem import has_classes

if TYPE_CHECKING:
    import pyarrow as pa

    from graft.problems import Problem

GOLDEN = 5


def write_package(folder: Path, model: Path, study: Mapping[str, Any], metrics: Mapping[str, Any], card: str) -> None:
    """Fill `folder` with the model, its card and its facts; the same run and data give the same bytes."""
    shutil.copytree(model, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("manifest.json"))
    facts = {key: study[key] for key in ("target", "source", "problem", "labels", "metric", "train_hashes", "dataset")}
    facts |= {key: study[key] for key in ("met_hashes",) if key in study}
    facts |= {key: metrics.get(key) for key in ("positive", "threshold")}
    facts |= {"temperature": metrics["temperature"], "strategy": metrics["strategy"], "metrics": metrics}
    _write_json(folder / "graft.json", {**facts, "graft": __version__})
    (folder / "README.md").write_text(card)


def write_golden(
    folder: Path, problem: Problem, table: pa.Table, labels: Sequence[str], temperature: float | None
) -> None:
    """Write golden.json: inputs spread over the test rows, and what this package answers to them.

    The answers are those to the inputs as stored here, read back through the packaged processor: whoever
    opens the package later must find the same probabilities.
    """
    from graft.backbones import load, load_processor
    from graft.training import predict

    rows = table.take(np.unique(np.linspace(0, table.num_rows - 1, GOLDEN).astype(int)))
    stored, inputs = _store_inputs(folder, problem, rows)
    processor = load_processor(folder, problem)
    answers = predict(load(folder, problem), problem, problem.encode(stored, processor), processor)
    samples: list[dict[str, Any]]
    if has_classes(problem):
        probabilities = softmax(answers, temperature or 1.0)
        samples = [
            {"input": given, "label": labels[truth], "probabilities": [round(float(p), 7) for p in row]}
            for given, truth, row in zip(inputs, rows["label"].to_pylist(), probabilities, strict=True)
        ]
    else:
        samples = [
            {"input": given, "answer": [round(float(number), 6) for number in row if np.isfinite(number)]}
            for given, row in zip(inputs, answers, strict=True)
        ]
    _write_json(folder / "golden.json", samples)


def predictions(problem: Problem, hashes: Sequence[str], winner: Arm, control: Arm, temperature: float) -> pa.Table:
    """Return one row per test row: its hash, what the packaged model answered, and what its metric is, seed by seed.

    Where the problem has classes instead its label, both packaged-seed probabilities, and right or wrong by seed.
    """
    import pyarrow as pa

    def shares(arm: Arm, temperature: float) -> pa.Array:
        return pa.array(softmax(arm.answers[0], temperature).tolist(), pa.list_(pa.float64()))

    def by_seed(rows: Sequence[np.ndarray], kind: pa.DataType) -> pa.Array:
        return pa.array(np.stack([*rows], axis=1).astype(kind.to_pandas_dtype()).tolist(), pa.list_(kind))

    def worth(arm: Arm) -> pa.Array:
        return by_seed([problem.grade_rows(answers, arm.truths) for answers in arm.answers], pa.float64())

    def right(arm: Arm) -> pa.Array:
        return by_seed([answers.argmax(axis=1) == arm.truths for answers in arm.answers], pa.int8())

    metric = problem.row_metric or problem.metric
    if not has_classes(problem):
        return pa.table(
            {
                "hash": pa.array(hashes, pa.string()),
                "answer": pa.array(winner.answers[0].tolist(), pa.list_(pa.float32())),
                f"{metric}_transfer": worth(winner),
                f"{metric}_scratch": worth(control),
            }
        )
    return pa.table(
        {
            "hash": pa.array(hashes, pa.string()),
            "label": np.asarray(winner.truths),
            "transfer": shares(winner, temperature),
            "scratch": shares(control, 1.0),
            "correct_transfer": right(winner),
            "correct_scratch": right(control),
        }
    )


def _store_inputs(folder: Path, problem: Problem, rows: pa.Table) -> tuple[pa.Table, list[Any]]:
    """Write the inputs of golden samples; return them as a table read from there, and their entries of golden.json."""
    from graft.reading import MEDIA

    medium = MEDIA[problem.modality]
    cells = rows[medium.column].to_pylist()
    if medium.encode is None:
        asked = rows.select([name for name in problem.columns if name not in problem.truths])
        return asked, asked.to_pylist()
    (folder / "golden").mkdir()
    contents = [medium.encode(medium.open(cell)) for cell in cells]
    names = [f"golden/{index}{medium.encoded}" for index in range(len(contents))]
    for name, content in zip(names, contents, strict=True):
        (folder / name).write_bytes(content)
    return medium.table(contents), names


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
