"""Ask a registered model: images and sounds by path, texts literally or one per line of a .txt file."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.errors import BadInput, DataError
from graft.registry.registry import Registry, open_registry

if TYPE_CHECKING:
    import pyarrow as pa
    from PIL.Image import Image

    from graft.problems import Problem
    from graft.problems.sampling import Sampling
    from graft.reading import Medium
    from graft.registry.package import Model, Package


@dataclass(frozen=True)
class Prediction:
    """What a model says of one input; `note` says what was done to the input, if anything was.

    Of classes the likeliest one, or of two that have a threshold the one that it gives, and how likely each is.
    Of other problems `facts`, the answer among them.
    """

    input: str
    label: str | None
    probability: float | None
    probabilities: dict[str, float] | None
    note: str = ""
    positive: bool | None = None
    """Whether the label is the one that the threshold is of; None where the model has no threshold."""
    threshold: float | None = None
    facts: dict[str, Any] | None = None
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    """PNG files that the answer consists in, by name."""
    drawing: bytes | None = None
    """A PNG file: the input with the answer drawn in, where that was asked for."""


def predict(
    reference: str,
    inputs: Sequence[str],
    registry: Registry | None = None,
    question: str | None = None,
    draw: bool = False,
    sampling: Sampling | None = None,
    beside: str | None = None,
    gallery: Path | None = None,
) -> list[Prediction]:
    """Return one prediction per input, in order; raises BadInput naming every unusable input at once.

    An image or a sound is given by its path. A text is given literally; an argument of one word that ends in `.txt` is
    a file with one text per line, blank lines aside. An input longer than the model reads is cut, and noted. A
    `question` is asked about every text, where the problem is one of questions. With `draw` each answer is also
    drawn into its input, where the problem draws answers. A model that writes goes on with each text, as `sampling`
    says; then a text is taken to the letter and may be empty, and one too long keeps its end. Where inputs are
    compared, each is with the file `beside` it, or with every file of a `gallery`; with neither its embedding is
    returned.
    """
    import pyarrow as pa

    from graft.problems.problem import has_classes
    from graft.reading import MEDIA
    from graft.registry.notes import NOTES
    from graft.registry.package import find_problem, load

    package = (registry or open_registry()).package(reference)
    problem = find_problem(package)
    modality = problem.modality
    medium = MEDIA[modality]
    asks = "question" in problem.columns
    _check_question(problem.name, asks, question)
    if problem.writes:
        return _written(load(package), _prompts(inputs), sampling)
    if sampling is not None:
        raise BadInput(f"how to draw a text: this model is for {problem.name}, which writes none")
    _check_others(problem, beside, gallery)
    names, table = _files(inputs, medium) if medium.in_files else _texts(inputs, medium)
    if asks:
        table = table.append_column("question", pa.array([question] * table.num_rows, pa.string()))
    model = load(package)
    if beside is not None or gallery is not None:
        return [*_comparisons(model, package, names, table, beside, gallery, draw)]
    if not has_classes(problem):
        return [*_open_answers(model, names, table, draw)]
    notes = NOTES[modality](table, model.processor) if modality in NOTES else [""] * len(names)
    return [
        _prediction(name, shares, model, note)
        for name, shares, note in zip(names, model.probabilities(table).tolist(), notes, strict=True)
    ]


def _open_answers(model: Model, names: Sequence[str], table: pa.Table, draw: bool) -> Iterator[Prediction]:
    """Yield the answers of a problem without classes."""
    problem = model.problem
    answers, examples = model.answer(table)
    said = problem.predict(answers, examples)
    for name, facts, row, answer in zip(names, said, table.to_pylist(), answers, strict=True):
        pictures = {key: _png(picture) for key, picture in problem.pictures(row, answer).items()}
        drawn = problem.draw(row, answer) if draw else None
        yield Prediction(
            name, None, None, None, facts=facts, pictures=pictures, drawing=None if drawn is None else _png(drawn)
        )


def _written(model: Model, prompts: Sequence[str], sampling: Sampling | None) -> list[Prediction]:
    """Return what a model that writes goes on with."""
    from graft.problems.sampling import Sampling

    found = model.problem.write(model.network, model.processor, prompts, sampling or Sampling())
    return [
        Prediction(prompt, None, None, None, one.note, facts={"continuation": one.text, "tokens": one.tokens})
        for prompt, one in zip(prompts, found, strict=True)
    ]


def _comparisons(
    model: Model, package: Package, names: Sequence[str], table: pa.Table, beside: str | None, gallery: Path | None,
    draw: bool,
) -> Iterator[Prediction]:  # fmt: skip
    """Yield what is said of each input beside another one, or beside the most similar ones of a gallery."""
    from graft.reading import MEDIA
    from graft.registry.matching import compare_with, draw_pair, gallery_files

    medium = MEDIA[model.problem.modality]
    others = [beside] if beside is not None else gallery_files(Path(gallery or ""), medium)
    _, more = _files(others, medium)
    given, held = ([cell["bytes"] for cell in one[medium.column].to_pylist()] for one in (table, more))
    found = compare_with(model, package, given, held, others, best=beside is None)
    for name, content, (facts, top) in zip(names, given, found, strict=True):
        drawing = _png(draw_pair(content, held[top], medium)) if draw else None
        yield Prediction(name, None, None, None, facts=facts, drawing=drawing)


def _png(image: Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def _check_question(problem: str, asks: bool, question: str | None) -> None:
    if asks and not (question or "").strip():
        raise BadInput("no question: this model answers questions about texts", advice='Give it: --question "Who ...?"')
    if question is not None and not asks:
        raise BadInput(f"--question: this model is for {problem}, which asks none", advice="Leave it out.")


def _prediction(name: str, shares: list[float], model: Model, note: str) -> Prediction:
    by_label = dict(zip(model.labels, shares, strict=True))
    if model.positive is None:
        probability, label = max(zip(shares, model.labels, strict=True), key=lambda pair: pair[0])
        return Prediction(name, label, probability, by_label, note)
    share = shares[model.positive]
    positive = share >= model.threshold
    place = model.positive if positive else 1 - model.positive
    told = f"{'positive' if positive else 'negative'}: {model.labels[model.positive]} {share:.3f}, threshold "
    note = "; ".join(filter(None, [f"{told}{model.threshold:.3f}", note]))
    return Prediction(name, model.labels[place], shares[place], by_label, note, positive, model.threshold)


def _check_others(problem: Problem, beside: str | None, gallery: Path | None) -> None:
    given = [option for option, value in (("--with", beside), ("--gallery", gallery)) if value is not None]
    if given and not problem.compares:
        raise BadInput(f"{given[0]}: this model is for {problem.name}, which compares nothing", advice="Leave it out.")
    if len(given) > 1:
        raise BadInput("--with and --gallery: one of them, not both")


def _files(inputs: Sequence[str], medium: Medium) -> tuple[list[str], pa.Table]:
    contents, problems = [], []
    for name in inputs:
        path = Path(name)
        if not path.is_file():
            expected = f"a folder, expected {medium.noun} file"
            problems.append(f"{name!r}: {expected if path.is_dir() else 'no such file'}")
            continue
        contents.append(path.read_bytes())
        try:
            medium.open({"bytes": contents[-1], "path": name})
        except DataError as error:
            problems.append(str(error))
    _refuse(problems, inputs, f"{medium.nouns} by the paths of their files")
    return list(inputs), medium.table(contents)


def _prompts(inputs: Sequence[str]) -> list[str]:
    """Return prompts to the letter: white space at the end is asked for, and nothing begins a text."""
    prompts, problems = [], []
    for given in inputs:
        found, problem = _lines(Path(given)) if _is_list(given) else ([given], "")
        prompts += found
        problems += [problem] if problem else []
    _refuse(problems, inputs, "the beginnings of texts, or .txt files with one a line")
    return prompts


def _is_list(given: str) -> bool:
    return given.endswith(".txt") and len(given.split()) == 1


def _texts(inputs: Sequence[str], medium: Medium) -> tuple[list[str], pa.Table]:
    texts, problems = [], []
    for position, given in enumerate(inputs, start=1):
        if _is_list(given):
            found, problem = _lines(Path(given))
        else:
            found, problem = [given.strip()], "" if given.strip() else f"text {position}: empty"
        texts += found
        problems += [problem] if problem else []
    _refuse(problems, inputs, "texts, or .txt files with one text per line")
    return texts, medium.table(texts)


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
