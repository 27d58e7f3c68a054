"""A model package: a Hugging Face folder with facts, golden samples and a manifest, trusted only after a look."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.errors import BadInput, CheckpointError, RegistryError
from graft.manifest import MANIFEST, files_digest, read_manifest, sha256
from graft.storage.store import checked

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from graft.problems import Problem
    from graft.problems.examples import Examples

REQUIRED = ("config.json", "graft.json", "golden.json", "model.safetensors", "predictions.parquet", "README.md")
KINDS = (".safetensors", ".json", ".txt", ".md", ".parquet", ".png", ".wav")  # nothing that runs when it is read
FACTS = ("target", "problem", "labels", "temperature", "train_hashes")
SHOWN = 8  # numbers of an answer that a message repeats


@dataclass(frozen=True)
class Package:
    """A folder whose files are those of its manifest; `digest` is over their names and contents."""

    folder: Path
    digest: str
    files: Mapping[str, str]
    facts: Mapping[str, Any]

    @property
    def rows_met(self) -> frozenset[str]:
        """Hashes of the rows that it was trained on, and those of the champion that it was begun from, if it was."""
        return frozenset(self.facts.get("met_hashes") or self.facts["train_hashes"])


@dataclass(frozen=True)
class Model:
    """A loaded package: network, processor and what turns logits into probabilities of labels."""

    network: Any
    processor: Any
    problem: Problem
    labels: tuple[str, ...]
    temperature: float
    positive: int | None = None
    """Place of the label that is said from the threshold on; None where the likeliest label is said."""
    threshold: float = 0.5

    def answers(self, table: pa.Table) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Return what the network answers, (rows, numbers), for a canonical table of inputs."""
        return self.answer(table)[0]

    def answer(self, table: pa.Table) -> tuple[np.ndarray[Any, np.dtype[np.float32]], Examples]:
        """Return the answers with the examples that they are about, which say what a place in one means."""
        from graft.training import predict

        examples = self.problem.encode(table, self.processor)
        return predict(self.network, self.problem, examples, self.processor), examples

    def probabilities(self, table: pa.Table) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return calibrated probabilities (rows, labels) for a canonical table of inputs."""
        from graft.evaluation.calibration import softmax

        return softmax(self.answers(table), self.temperature)


def open_package(folder: Path, digest: str | None = None) -> Package:
    """Return the package in a folder after checking names, kinds and contents of all files.

    Raises RegistryError listing every file that is damaged, missing, not in the manifest, a link, outside of
    the folder, of a kind that could carry code, or a configuration that asks for remote code; and when the
    whole is not the package with the given `digest`.
    """
    files = _listed(folder)
    problems = list(_unsafe(folder, files)) or list(_damaged(folder, files))
    if not problems and digest not in (None, files_digest(files)):
        problems = [f"the manifest is of package {files_digest(files)[:12]}, the registry's events say {digest[:12]}"]
    facts = {} if problems else _facts(folder)
    problems += [f"graft.json: no '{key}'" for key in FACTS if not problems and key not in facts]
    if problems:
        raise RegistryError(
            f"{folder}: {len(problems)} fault(s) in the package",
            problems,
            "Nothing of it was used. Make it again with its evaluate stage, or restore it from a backup.",
        )
    return Package(folder, files_digest(files), files, facts)


def load(package: Package) -> Model:
    """Return the package's model; raises RegistryError when it does not load."""
    from graft.backbones import load as load_network
    from graft.backbones import load_processor

    problem = find_problem(package)
    try:
        network, processor = load_network(package.folder, problem), load_processor(package.folder, problem)
    except CheckpointError as error:
        raise RegistryError(f"{package.folder}: the model does not load", error.problems or [error.headline]) from error
    labels, scale = tuple(package.facts["labels"]), float(package.facts["temperature"] or 1.0)
    model = Model(network, processor, problem, labels, scale)
    if package.facts.get("positive") is None:
        return model
    return replace(model, positive=labels.index(package.facts["positive"]), threshold=package.facts["threshold"])


def check_golden(package: Package, model: Model | None = None) -> int:
    """Predict the golden samples and return their number; raises RegistryError where an answer has changed."""
    import numpy as np

    from graft.problems.problem import has_classes

    model = model or load(package)
    samples = json.loads((package.folder / "golden.json").read_text())
    inputs = golden_inputs(package, samples, model.problem)
    key = "probabilities" if has_classes(model.problem) else "answer"
    given = model.probabilities(inputs) if has_classes(model.problem) else model.answers(inputs)
    found = [row[np.isfinite(row)] for row in given]
    recorded = [np.asarray(sample[key], dtype=np.float64) for sample in samples]
    problems = [
        f"golden sample {index}: expected {_shares(expected)}, found {_shares(got)}"
        for index, (expected, got) in enumerate(zip(recorded, found, strict=True))
        if not model.problem.same(expected, got)
    ]
    if problems:
        raise RegistryError(
            f"{package.folder}: {len(problems)} of {len(samples)} golden samples are not predicted as recorded",
            problems,
            "The weights, the processor or the installed libraries are not those that were evaluated.",
        )
    return len(samples)


def golden_inputs(package: Package, samples: Sequence[Mapping[str, Any]], problem: Problem) -> pa.Table:
    """Return the golden samples' inputs as a canonical table; raises RegistryError for a file the manifest lacks."""
    import pyarrow as pa

    if not samples:
        raise RegistryError(f"{package.folder}: golden.json holds no sample, so nothing can be verified")
    from graft.reading import MEDIA

    medium = MEDIA[problem.modality]
    if not medium.in_files:
        return pa.Table.from_pylist([sample["input"] for sample in samples])
    names = [str(sample["input"]) for sample in samples]
    if unknown := [name for name in names if name not in package.files]:
        raise RegistryError(f"{package.folder}: golden.json names files that the manifest lacks", unknown)
    return medium.table([(package.folder / name).read_bytes() for name in names])


def _listed(folder: Path) -> dict[str, str]:
    try:
        files = read_manifest(folder)["files"]
        return {str(name): str(expected) for name, expected in files.items()}
    except CheckpointError as error:
        raise RegistryError(f"{folder}: not a model package", [error.headline, *error.problems], error.advice) from None
    except (AttributeError, KeyError, TypeError, ValueError):
        raise RegistryError(f"{folder / MANIFEST}: lists no files, so nothing in the folder can be believed") from None


def _unsafe(folder: Path, files: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong before any content is believed."""
    for name in sorted(files):
        try:
            checked(name)
        except BadInput:
            yield f"{name!r}: leaves the package's folder"
        if not name.endswith(KINDS):
            yield f"{name}: a package holds {', '.join(KINDS)} files only"
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            yield f"{name}: is a link"
        elif path.is_file() and name not in files and name != MANIFEST:
            yield f"{name}: not in the manifest"
    yield from (f"{name}: missing" for name in REQUIRED if name not in files)


def _damaged(folder: Path, files: Mapping[str, str]) -> Iterator[str]:
    for name, expected in sorted(files.items()):
        path = folder / name
        if not path.is_file():
            yield f"{name}: missing"
        elif (actual := sha256(path)) != expected:
            yield f"{name}: sha256 is {actual}, the manifest says {expected}"
        elif name.endswith("config.json") and _asks_for_code(path):
            yield f"{name}: asks for remote code (auto_map), which is never run"


def _asks_for_code(path: Path) -> bool:
    found: list[str] = []
    try:
        json.loads(path.read_text(), object_pairs_hook=lambda pairs: found.extend(key for key, _ in pairs))
    except ValueError:
        return False  # loading it names what is wrong with it
    return "auto_map" in found


def _facts(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / "graft.json").read_text()))
    except (ValueError, TypeError) as error:
        raise RegistryError(f"{folder / 'graft.json'}: not readable as JSON ({error})") from None


def find_problem(package: Package) -> Problem:
    """Return the package's problem with its metric and labels; raises RegistryError for one that is not known here."""
    from graft.catalog import nearest
    from graft.problems import PROBLEMS

    name = str(package.facts["problem"])
    if name not in PROBLEMS:
        raise RegistryError(f"{package.folder}: this Graft does not know '{name}'; {nearest(name, list(PROBLEMS))}")
    try:
        return PROBLEMS[name].graded_by(package.facts.get("metric")).named(package.facts["labels"])
    except ValueError as error:
        raise RegistryError(f"{package.folder}: {error}") from None


def _shares(values: Any) -> str:
    more = ", ..." if len(values) > SHOWN else ""
    return "[" + ", ".join(f"{value:.4f}" for value in values[:SHOWN]) + more + "]"
