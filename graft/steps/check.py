"""Check a source's or a target's data before anything is trained on them."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from graft.catalog import Catalog, Source
from graft.checks.check import Checked, check, explain, write
from graft.checks.shifts import check_shifts, write_shifts
from graft.errors import CheckFailed, CheckpointError
from graft.manifest import whole_folder
from graft.problems import PROBLEMS
from graft.reading import read
from graft.settings import settings

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)
SHIFTS = Path("checks/shifts")


def run_source(name: str, catalog: Catalog) -> None:
    """Write checks/sources/NAME; raises CheckFailed when an expectation of severity `error` fails."""
    source = catalog.source(name)
    problem = PROBLEMS[source.problem]
    dataset = read(source.data, problem)
    _keep("sources", name, check(name, "source", dataset, problem, source.data.checks, _tokenizer(source)))


def run_target(name: str, catalog: Catalog) -> None:
    """Write checks/targets/NAME and checks/shifts/NAME.

    Raises CheckFailed, also where test rows or rows of a shift set were trained on, by the target or by its source.
    """
    target = catalog.target(name)
    problem = PROBLEMS[target.problem]
    known = _source_rows(target.source)
    dataset = read(target.data, problem)
    target.evaluation.positive_among(dataset.labels)  # a label that is not there is said before anything is trained
    tokenizer = _tokenizer(catalog.source(target.source))
    checked = check(name, "target", dataset, problem, target.data.checks, tokenizer, source=known)
    shifts = check_shifts(target, problem, dataset.labels, checked.rows, known)
    _keep("targets", name, checked, shifts.problems)
    with whole_folder(SHIFTS / name) as folder:
        write_shifts(shifts, folder)


def _tokenizer(source: Source) -> Path | None:
    """Return the tokenizer of a source that starts from a local checkpoint; others get theirs in pretraining."""
    if source.backbone.checkpoint is None:
        return None
    path = Path(source.backbone.checkpoint) / "tokenizer.json"
    return path if path.is_file() else None


def _source_rows(source: str) -> pd.DataFrame:
    import pandas as pd

    path = Path("checks/sources") / source / "rows.parquet"
    if not path.is_file():
        raise CheckpointError(
            f"{path}: the source has not been checked",
            advice=f"Run its check first: `python -m graft.steps check-source {source}`, or `graft run`.",
        )
    return pd.read_parquet(path, columns=["split", "file", "row", "hash"])


def _keep(kind: str, name: str, checked: Checked, others: Sequence[str] = ()) -> None:
    """Write what was found; raises CheckFailed for failed expectations and `others`, all at once."""
    failed = checked.failed
    for entry in checked.summary["expectations"]:
        if entry["severity"] == "warning" and not entry["success"]:
            log.warning("warning: %s: found %g, expected %s", entry["title"], entry["observed"], entry["threshold"])
    aside = settings().work / "failed-checks" / kind / name  # DVC keeps no output of a stage that failed
    shutil.rmtree(aside, ignore_errors=True)
    folder = aside if failed or others else Path("checks") / kind / name
    with whole_folder(folder) as partial:
        write(checked, partial)
    if failed or others:
        counted = f"{len(failed)} of {len(checked.summary['expectations'])} expectations failed"
        shifts = f"{len(others)} problem(s) with its shift sets" if others else ""
        raise CheckFailed(
            f"{kind[:-1]} '{name}': {', '.join(filter(None, [counted if failed else '', shifts]))}",
            [*explain(failed), *others],
            f"All expectations: {folder / 'check.html'}. Thresholds are set under `data.checks` in params.yaml.",
        )
    log.info("%d expectations on %d rows hold: %s", _held(checked), len(checked.rows), folder / "check.html")


def _held(checked: Checked) -> int:
    return sum(entry["success"] for entry in checked.summary["expectations"])
