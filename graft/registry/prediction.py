"""Ask a registered model: images by path, texts literally or one per line of a .txt file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.errors import BadInput, DataError
from graft.registry.registry import Registry, open_registry

if TYPE_CHECKING:
    import pyarrow as pa

    from graft.registry.package import Model


@dataclass(frozen=True)
class Prediction:
    """The likeliest label of one input; `note` says what was done to the input, if anything was."""

    input: str
    label: str
    probability: float
    probabilities: dict[str, float]
    note: str = ""


def predict(reference: str, inputs: Sequence[str], registry: Registry | None = None) -> list[Prediction]:
    """Return one prediction per image or text, in order; raises BadInput naming every unusable input at once.

    An image is given by its path. A text is given literally; an argument of one word that ends in `.txt` is a
    file with one text per line, blank lines aside. A text longer than the model reads is cut, and noted.
    """
    from graft.registry.package import load

    package = (registry or open_registry()).package(reference)
    images = str(package.facts["problem"]).startswith("image-")
    names, table = _images(inputs) if images else _texts(inputs)
    model = load(package)
    notes = [""] * len(names) if images else _notes(names, model)
    return [
        _prediction(name, shares, model.labels, note)
        for name, shares, note in zip(names, model.probabilities(table).tolist(), notes, strict=True)
    ]


def _prediction(name: str, shares: list[float], labels: Sequence[str], note: str) -> Prediction:
    probability, label = max(zip(shares, labels, strict=True), key=lambda pair: pair[0])
    return Prediction(name, label, probability, dict(zip(labels, shares, strict=True)), note)


def _images(inputs: Sequence[str]) -> tuple[list[str], pa.Table]:
    from graft.reading import open_image
    from graft.registry.package import image_table

    contents, problems = [], []
    for name in inputs:
        path = Path(name)
        if not path.is_file():
            problems.append(f"{name!r}: {'a folder, expected an image file' if path.is_dir() else 'no such file'}")
            continue
        contents.append(path.read_bytes())
        try:
            open_image({"bytes": contents[-1], "path": name})
        except DataError as error:
            problems.append(str(error))
    _refuse(problems, inputs, "images by the paths of their files")
    return list(inputs), image_table(contents)


def _texts(inputs: Sequence[str]) -> tuple[list[str], pa.Table]:
    from graft.registry.package import text_table

    texts, problems = [], []
    for position, given in enumerate(inputs, start=1):
        if given.endswith(".txt") and len(given.split()) == 1:
            found, problem = _lines(Path(given))
        else:
            found, problem = [given.strip()], "" if given.strip() else f"text {position}: empty"
        texts += found
        problems += [problem] if problem else []
    _refuse(problems, inputs, "texts, or .txt files with one text per line")
    return texts, text_table(texts)


def _lines(path: Path) -> tuple[list[str], str]:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        return [], f"{path}: not UTF-8 text (byte {error.start})"
    except OSError as error:
        return [], f"{path}: {error.strerror}"
    return lines, "" if lines else f"{path}: holds no text"


def _refuse(problems: Sequence[str], inputs: Sequence[str], expected: str) -> None:
    if not inputs:
        raise BadInput("nothing to predict", advice=f"Expected {expected}.")
    if problems:
        raise BadInput(f"{len(problems)} of {len(inputs)} inputs cannot be used", problems, f"Expected {expected}.")


def _notes(texts: Sequence[str], model: Model) -> list[str]:
    """Return for each text how much of it the model reads, where that is not all."""
    processor: Any = model.processor
    most = processor.model_max_length
    counts = [len(ids) for ids in processor(list(texts), truncation=False, verbose=False)["input_ids"]]
    return [f"cut: {most} of {count} tokens were read" if count > most else "" for count in counts]
