"""Shift sets under DVC, which sees what params.yaml says of them but not their files; those are looked at here.

A stage of dvc.yaml cannot list the paths of an optional mapping as dependencies. So the check writes down the digest of
the files that it read, and a run that finds others checks again.
"""

from __future__ import annotations

import json
from pathlib import Path

from graft.catalog import Catalog

FOLDER = Path("checks/shifts")


def changed_shifts(name: str, catalog: Catalog) -> list[str]:
    """Return the shift sets of a target that are here with other files than its last check read."""
    shifts = catalog.target(name).evaluation.shifts
    record = FOLDER / name / "shifts.json"
    if not shifts or not record.is_file():
        return []
    from graft.reading import path_digest

    checked = json.loads(record.read_text())
    there = {each: Path(shift.path) for each, shift in shifts.items() if each in checked}
    return [each for each, path in there.items() if path.exists() and path_digest(path) != checked[each]["files"]]
