"""reports/NAME: numbers for machines, the page for people."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from graft.evaluation.label_curve import write_label_curve
from graft.evaluation.points import write_points
from graft.report.evidence import Evidence
from graft.report.page import render_page

if TYPE_CHECKING:
    import pyarrow as pa


def write_report(folder: Path, run: Path, evidence: Evidence, predictions: pa.Table) -> None:
    """Fill `folder` with numbers (metrics.json, CSV files, predictions.parquet) and the page (report.html)."""
    import pyarrow.parquet as pq

    (folder / "metrics.json").write_text(json.dumps(evidence.metrics, indent=2, allow_nan=False) + "\n")
    for name in ("trials.csv", "curves.csv"):
        shutil.copyfile(run / name, folder / name)
    write_points(folder / "robustness.csv", evidence.robustness)
    write_label_curve(folder / "label_curve.csv", evidence.label_curve)
    pq.write_table(predictions, folder / "predictions.parquet")
    (folder / "report.html").write_text(render_page(evidence), encoding="utf-8")
