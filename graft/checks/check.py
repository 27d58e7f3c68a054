"""Derive, validate, and write what was found: as JSON, as a page, and as rows that later checks compare with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from graft.checks.facts import Facts, gather
from graft.checks.label_sets import SET, count_labels
from graft.checks.page import render
from graft.checks.rows import derive
from graft.checks.suites import rules
from graft.checks.validation import Outcome, validate
from graft.errors import place_of

if TYPE_CHECKING:
    import pandas as pd

    from graft.catalog import Checks
    from graft.problems.problem import Problem
    from graft.reading import Dataset

LISTED = 20  # offending rows shown of one expectation
NO_TOKENIZER = "no tokenizer yet: it is trained with the source"


@dataclass(frozen=True)
class Checked:
    """Derived rows and the summary that becomes check.json."""

    rows: pd.DataFrame
    summary: dict[str, Any]

    @property
    def failed(self) -> list[dict[str, Any]]:
        """Return the failed expectations of severity `error`."""
        return [
            entry for entry in self.summary["expectations"] if entry["severity"] == "error" and not entry["success"]
        ]


def check(
    name: str,
    kind: Literal["source", "target"],
    dataset: Dataset,
    problem: Problem,
    thresholds: Checks,
    tokenizer: Path | None = None,
    source: pd.DataFrame | None = None,
) -> Checked:
    """Return what the suite of a problem finds; `source` are the derived rows of a target's source."""
    import pandas as pd

    rows = derive(dataset, problem, tokenizer)
    facts = gather(rows, dataset.labels, source)
    suite = rules(problem.modality, thresholds, list(rows.columns), facts.values)
    outcomes = validate(suite, _numeric(rows), pd.DataFrame([facts.values]))
    expectations = [_describe(outcome, rows, facts) for outcome in outcomes]
    summary = {
        "name": name,
        "kind": kind,
        "problem": problem.name,
        "dataset": dataset.fingerprint,
        "passed": all(entry["success"] for entry in expectations if entry["severity"] == "error"),
        "warnings": sum(not entry["success"] for entry in expectations if entry["severity"] == "warning"),
        "expectations": expectations,
        "facts": facts.values,
        "balance": _balance(rows, dataset),
        "features": _features(rows),
        "notes": [NO_TOKENIZER] if problem.modality == "text" and tokenizer is None else [],
    }
    return Checked(rows, summary)


def _numeric(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that expectations compare, truth values as 0 and 1."""
    numeric = rows.select_dtypes(include=["number", "bool"])
    return numeric.astype({name: "int64" for name in numeric.columns if numeric[name].dtype == bool})


def _describe(outcome: Outcome, rows: pd.DataFrame, facts: Facts) -> dict[str, Any]:
    rule = outcome.rule
    found = facts.offenders.get(rule.column, {}) if rule.table == "facts" else dict.fromkeys(outcome.offending, "")
    listed = [] if outcome.success and rule.table == "rows" else sorted(found)[:LISTED]
    return {
        "name": rule.name,
        "title": rule.title,
        "severity": rule.severity,
        "success": outcome.success,
        "observed": outcome.observed,
        "threshold": rule.threshold,
        "offending": len(found),
        "rows": [_row(rows.iloc[index].to_dict(), found[index]) for index in listed],
    }


def _row(row: Mapping[Any, Any], reason: str) -> dict[str, Any]:
    what = f"{row['what']}; {reason}" if reason else row["what"]
    return {"split": row["split"], "file": row["file"], "row": int(row["row"]), "place": place_of(row), "what": what}


def _balance(rows: pd.DataFrame, dataset: Dataset) -> dict[str, dict[str, int]]:
    """Return rows of each label for each split; of each split alone where there are no labels."""
    if SET in rows:
        return {str(split): count_labels(part, dataset.labels) for split, part in rows.groupby("split", sort=False)}
    if "label" not in rows:
        return {str(split): {"rows": len(part)} for split, part in rows.groupby("split", sort=False)}
    counts = {}
    for split, part in rows.groupby("split", sort=False):
        sizes = part["label"].value_counts().to_dict()
        counts[str(split)] = {label: int(sizes.get(label, 0)) for label in dataset.labels}
    return counts


def _features(rows: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return smallest, mean and largest of each numeric feature."""
    numeric = rows.select_dtypes(include="number").drop(columns="row")
    return {
        str(name): {
            "smallest": round(float(values.min()), 3),
            "mean": round(float(values.mean()), 3),
            "largest": round(float(values.max()), 3),
        }
        for name, values in numeric.items()
        if values.notna().any()
    }


def write(checked: Checked, folder: Path) -> None:
    """Write check.json, check.html and rows.parquet; the same findings give the same bytes."""
    import pyarrow as pa
    import pyarrow.parquet

    content = json.dumps(checked.summary, indent=2, ensure_ascii=False, allow_nan=False)
    (folder / "check.json").write_text(content + "\n", encoding="utf-8")
    (folder / "check.html").write_text(render(checked.summary), encoding="utf-8")
    table = pa.Table.from_pandas(checked.rows.drop(columns="what"), preserve_index=False).replace_schema_metadata(None)
    pa.parquet.write_table(table, folder / "rows.parquet")


def explain(failed: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a paragraph for each failed expectation: what was found, then its first offending rows."""
    paragraphs = []
    for entry in failed:
        found = f"found {entry['observed']:g}, expected {entry['threshold']}"
        lines = [f"{entry['title']}: {entry['offending']} row(s) do not fit ({found})"]
        lines.extend(f"{row['place']}: {row['what']}" for row in entry["rows"])
        if entry["offending"] > len(entry["rows"]):
            lines.append(f"... and {entry['offending'] - len(entry['rows'])} more")
        paragraphs.append("\n      ".join(lines))
    return paragraphs
