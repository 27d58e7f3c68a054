"""What a study was made of, in digests: the same digests make the same study, on whatever machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from graft.catalog import Catalog
from graft.errors import DataError
from graft.manifest import digest
from graft.reading import path_digest

State = Mapping[str, str]
PARTS = {
    "data": "the target's data",
    "source": "the source's data",
    "parameters": "parameters",
    "code": "code of the training",
    "evaluation": "evaluation, gates or their code",
}
"""The parts of a state, and what each is called."""
TRAINED = ("data", "source", "parameters", "code")
"""Those that models depend on; the rest is measured anew without training."""


def read_state(name: str, catalog: Catalog, training: Iterable[Path], evaluation: Iterable[Path]) -> State:
    """Return the digests of a target as it is now; `training` and `evaluation` are files and folders of code.

    Raises DataError naming a path of the data that is not there.
    """
    target = catalog.target(name)
    source = catalog.source(target.source)
    paths = [target.data.path, source.data.path, *(shift.path for shift in target.evaluation.shifts.values())]
    if absent := [f"{path}: no such file or folder" for path in paths if not Path(path).exists()]:
        raise DataError(f"the data of target '{name}' is missing", absent, "`dvc pull` or `dvc repro` brings it.")
    asked = target.model_dump(mode="json", include={"source", "problem", "data", "study"})
    measured = target.model_dump(mode="json", include={"evaluation", "gates"})
    shifts = {each: path_digest(Path(shift.path)) for each, shift in target.evaluation.shifts.items()}
    return {
        "data": path_digest(Path(target.data.path)),
        "source": path_digest(Path(source.data.path)),
        "parameters": digest({"target": asked, "source": source.model_dump(mode="json")}),
        "code": _code(training),
        "evaluation": digest({"asked": measured, "shifts": shifts, "code": _code(evaluation)}),
    }


def compare_states(then: State, now: State) -> tuple[str, ...]:
    """Return the parts that differ."""
    return tuple(part for part in PARTS if then.get(part) != now[part])


def _code(paths: Iterable[Path]) -> str:
    """Return a digest over sources, without what Python leaves beside them."""
    files = [file for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
    kept = [file for file in files if file.is_file() and "__pycache__" not in file.parts]
    return digest({file.as_posix(): path_digest(file) for file in kept})
