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

if TYPE_CHECKING:
    import pyarrow as pa

    from graft.problems import Problem

GOLDEN = 5


def write_package(folder: Path, model: Path, study: Mapping[str, Any], metrics: Mapping[str, Any], card: str) -> None:
    """Fill `folder` with the model, its card and its facts; the same run and data give the same bytes."""
    shutil.copytree(model, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("manifest.json"))
    facts = {key: study[key] for key in ("target", "source", "problem", "labels", "metric", "train_hashes", "dataset")}
    facts |= {"temperature": metrics["temperature"], "strategy": metrics["strategy"], "metrics": metrics}
    _write_json(folder / "graft.json", {**facts, "graft": __version__})
    (folder / "README.md").write_text(card)


def write_golden(folder: Path, problem: Problem, table: pa.Table, labels: Sequence[str], temperature: float) -> None:
    """Write golden.json: inputs spread over the test rows, and what this package answers to them.

    The answers are those to the inputs as stored here, read back through the packaged processor: whoever
    opens the package later must find the same probabilities.
    """
    from graft.backbones import load, load_processor
    from graft.training import predict

    rows = table.take(np.unique(np.linspace(0, table.num_rows - 1, GOLDEN).astype(int)))
    stored, inputs = _store_inputs(folder, problem, rows)
    processor = load_processor(folder, problem)
    logits = predict(load(folder, problem), problem, problem.encode(stored, processor), processor)
    probabilities = softmax(logits, temperature)
    samples = [
        {"input": given, "label": labels[truth], "probabilities": [round(float(p), 7) for p in row]}
        for given, truth, row in zip(inputs, rows["label"].to_pylist(), probabilities, strict=True)
    ]
    _write_json(folder / "golden.json", samples)


def predictions(hashes: Sequence[str], winner: Arm, control: Arm, temperature: float) -> pa.Table:
    """Return one row per test row: its hash and label, both packaged-seed probabilities, right or wrong by seed."""
    import pyarrow as pa

    def shares(arm: Arm, temperature: float) -> pa.Array:
        return pa.array(softmax(arm.logits[0], temperature).tolist(), pa.list_(pa.float64()))

    def right(arm: Arm) -> pa.Array:
        return pa.array(arm.correct.T.astype(np.int8).tolist(), pa.list_(pa.int8()))

    return pa.table(
        {
            "hash": pa.array(hashes, pa.string()),
            "label": winner.labels,
            "transfer": shares(winner, temperature),
            "scratch": shares(control, 1.0),
            "correct_transfer": right(winner),
            "correct_scratch": right(control),
        }
    )


def _store_inputs(folder: Path, problem: Problem, rows: pa.Table) -> tuple[pa.Table, list[Any]]:
    """Write the inputs of golden samples; return them as a table read from there, and their entries of golden.json."""
    import pyarrow as pa

    if problem.modality == "text":
        texts = rows["text"].to_pylist()
        return pa.table({"text": texts}), [{"text": text} for text in texts]
    from graft.reading import convert_image, open_image

    (folder / "golden").mkdir()
    names = [f"golden/{index}.png" for index in range(rows.num_rows)]
    for name, cell in zip(names, rows["image"].to_pylist(), strict=True):
        image = open_image(cell)
        image = image if image.mode in ("1", "L", "LA", "P", "RGB", "RGBA") else convert_image(image, "RGB")
        image.save(folder / name)
    cells = [{"bytes": (folder / name).read_bytes(), "path": name} for name in names]
    return pa.table({"image": cells}), names


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
