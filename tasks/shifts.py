"""Shift sets under DVC, which does not see for the check what they are; that is looked at here.

A stage of dvc.yaml cannot depend on keys and paths of an optional mapping. So the check writes down what it was asked
and the digest of the files that it read, and a run that finds anything else checks again.
"""

from __future__ import annotations

import json
from pathlib import Path

from graft.catalog import Catalog

FOLDER = Path("checks/shifts")


def changed_shifts(name: str, catalog: Catalog) -> list[str]:
    """Return the shift sets of a target that its last check has not read, or not as they are asked for or here now."""
    shifts = catalog.target(name).evaluation.shifts
    record = FOLDER / name / "shifts.json"
    if not shifts or not record.is_file():
        return []
    from graft.reading import path_digest

    checked = json.loads(record.read_text())
    asked = {each: shift.model_dump(mode="json") for each, shift in shifts.items()}
    paths = {each: Path(shift.path) for each, shift in shifts.items()}
    return [
        each
        for each, path in paths.items()
        if checked.get(each, {}).get("asked") != asked[each]
        or (path.exists() and path_digest(path) != checked[each]["files"])
    ]
