"""A model as an ONNX file (onnx.ai), which is kept if it answers the golden samples in the place of the network."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from graft.errors import BadInput, RegistryError
from graft.registry.package import Model, Package, check_golden, golden_inputs, load

if TYPE_CHECKING:
    import onnxruntime
    import torch

    from graft.problems import Problem
    from graft.problems.problem import Batch

NEEDS = ("onnx", "onnxscript", "onnxruntime")
SIZES: Mapping[int, tuple[str, ...]] = {2: ("rows", "length")}
"""Sizes that may change, by the number of dimensions of an input: of pixels and spectrograms the rows alone."""
ROWS = ("rows",)


@dataclass(frozen=True)
class Exported:
    """A file that answers as the package does."""

    path: Path
    inputs: Mapping[str, Sequence[Any]]
    """Sizes of each input: a number, or the name of one that may change."""
    samples: int
    """Golden samples that it answered as recorded."""
    difference: float
    """Largest difference of a number of an answer from what the network itself says."""


def export_onnx(package: Package, path: Path, name: str) -> Exported:
    """Write a package's network to an ONNX file; raises BadInput or RegistryError, and leaves no file, where it cannot.

    What the file reads is what the package's processor makes of an input, normalised; what it returns are logits,
    before the temperature. `name` and what a reader needs beside it stand in the file's metadata.
    """
    _require_libraries()
    if path.is_dir():
        raise BadInput(f"{path}: a folder", advice=f"Name a file, such as {path / 'model.onnx'}.")
    model = load(package)
    _refuse(model)
    samples = json.loads((package.folder / "golden.json").read_text())
    inputs = golden_inputs(package, samples, model.problem)
    batch = _batch(model, inputs)
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=".onnx-") as folder:
        beside = Path(folder) / path.name
        _write(model, package, batch, beside, name)
        exchanged = _exchanged(model, beside)
        try:
            count = check_golden(package, exchanged)
        except RegistryError as error:
            raise RegistryError(
                f"{name}: as ONNX it answers otherwise than the package", error.problems, "No file was kept."
            ) from error
        difference = _difference(model.answers(inputs), exchanged.answers(inputs))
        shapes = {one.name: one.shape for one in exchanged.network.session.get_inputs()}
        for written in sorted(Path(folder).iterdir()):  # a network of more than 2 GB has its weights beside it
            shutil.move(written, path.parent / written.name)
    return Exported(path, shapes, count, difference)


def _require_libraries() -> None:
    from importlib.util import find_spec

    if missing := [name for name in NEEDS if find_spec(name) is None]:
        raise BadInput(
            f"ONNX needs {', '.join(missing)}, which this environment does not have",
            advice="Install them: pip install 'graft[onnx]'",
        )


def _refuse(model: Model) -> None:
    """Raise BadInput where one pass through a network is not what an answer is made of."""
    problem = model.problem
    if problem.writes or problem.generates:
        raise BadInput(
            f"{problem.name}: its answers are written token by token, and ONNX holds one pass through a network",
            advice="Use the package itself, or its folder: graft models push MODEL --to FOLDER",
        )


def _batch(model: Model, inputs: Any) -> Batch:
    """Return what the network reads of the first two golden samples; one size alone would be taken for fixed."""
    from graft.training.batches import generator

    examples = model.problem.encode(inputs, model.processor)
    rows = [0, 1 if len(examples) > 1 else 0]
    if examples.widths is not None and len({*examples.widths[rows].tolist()}) > 1:
        rows = [0, 0]  # items of several widths are no batch
    batch = model.problem.collate(examples, rows, model.processor, generator(0), training=False)
    batch.pop("labels", None)
    return batch


def _write(model: Model, package: Package, batch: Batch, path: Path, name: str) -> None:
    import torch

    network = _bare(model)
    sizes = {key: dict(enumerate(SIZES.get(value.dim(), ROWS))) for key, value in batch.items()}
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch says of its own steps while it traces
            program = torch.onnx.export(
                network, (), kwargs={"inputs": dict(batch)}, dynamo=True, dynamic_shapes={"inputs": sizes},
                input_names=[*batch], output_names=["logits"], verbose=False,
            )  # fmt: skip
    except Exception as error:  # whatever an exporter meets in a network, it is a network that it cannot export
        raise BadInput(
            f"{name}: torch cannot export this {type(model.network).__name__}",
            [" ".join(str(error).split())[:300]],
            "Use the package itself, or its folder: graft models push MODEL --to FOLDER",
        ) from error
    assert program is not None
    told = {"model": name, "digest": package.digest, "problem": model.problem.name, "temperature": model.temperature}
    told |= {"labels": model.labels}
    program.model.metadata_props.update({f"graft.{key}": json.dumps(value) for key, value in told.items()})
    program.save(path)


def _bare(model: Model) -> torch.nn.Module:
    """Return a module from named inputs to the one tensor that the problem reads."""
    import torch

    class Bare(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = model.network

        def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
            return model.problem.read(self.network(**inputs))

    return Bare().eval()


def _exchanged(model: Model, path: Path) -> Model:
    """Return the same model with the file in the place of its network."""
    import onnxruntime
    import torch

    class Session(torch.nn.Module):
        """What asks an ONNX file as a network is asked."""

        def __init__(self, session: onnxruntime.InferenceSession) -> None:
            super().__init__()
            self.session, self.config = session, model.network.config
            self.place = torch.nn.Parameter(torch.zeros(1))  # it tells on which device a network is

        def forward(self, **inputs: torch.Tensor) -> torch.Tensor:
            given = {one.name for one in self.session.get_inputs()}  # what no node reads is left out of the file
            found = self.session.run(None, {key: value.numpy() for key, value in inputs.items() if key in given})
            return torch.from_numpy(found[0])

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return replace(model, network=Session(session), problem=_reads_as_it_is(model.problem))


def _reads_as_it_is(problem: Problem) -> Problem:
    """Return a problem to which the output of a network is what it reads."""
    taken = copy(problem)
    taken.read = lambda output: output  # type: ignore[method-assign]
    return taken


def _difference(one: Any, other: Any) -> float:
    import numpy as np

    return float(np.nanmax(np.abs(one - other))) if one.shape == other.shape else float("inf")
