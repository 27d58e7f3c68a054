"""What a loaded model says of inputs that were read: the same on the command line as over HTTP."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    from PIL.Image import Image

    from graft.problems.sampling import Sampling
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

    def plain(self) -> dict[str, Any]:
        """Return what there is of it as plain data, but for what is a file."""
        return {name: value for name, value in asdict(self).items() if value is not None and name not in FILES}


FILES = ("pictures", "drawing")


def answer(model: Model, names: Sequence[str], table: pa.Table, drawn: Collection[int] = ()) -> list[Prediction]:
    """Return what a model says of each row of a canonical table; the rows in `drawn` (from 0) are drawn, too."""
    from graft.problems.problem import has_classes
    from graft.registry.notes import NOTES

    if not has_classes(model.problem):
        return [*_open_answers(model, names, table, drawn)]
    modality = model.problem.modality
    notes = NOTES[modality](table, model.processor) if modality in NOTES else [""] * len(names)
    return [
        _choice(name, shares, model, note)
        for name, shares, note in zip(names, model.probabilities(table).tolist(), notes, strict=True)
    ]


def write(model: Model, prompts: Sequence[str], sampling: Sampling | None) -> list[Prediction]:
    """Return what a model that writes goes on with."""
    from graft.problems.sampling import Sampling

    found = model.problem.write(model.network, model.processor, prompts, sampling or Sampling())
    return [
        Prediction(prompt, None, None, None, one.note, facts={"continuation": one.text, "tokens": one.tokens})
        for prompt, one in zip(prompts, found, strict=True)
    ]


def compare(
    model: Model, package: Package, names: Sequence[str], table: pa.Table, others: Sequence[str], held: pa.Table,
    best: bool, draw: bool,
) -> Iterator[Prediction]:  # fmt: skip
    """Yield what is said of each input beside another one, or with `best` beside the most similar of a gallery."""
    from graft.reading import MEDIA
    from graft.registry.matching import compare_with, draw_pair

    medium = MEDIA[model.problem.modality]
    given, beside = ([cell["bytes"] for cell in one[medium.column].to_pylist()] for one in (table, held))
    found = compare_with(model, package, given, beside, others, best)
    for name, content, (facts, top) in zip(names, given, found, strict=True):
        drawing = _png(draw_pair(content, beside[top], medium)) if draw else None
        yield Prediction(name, None, None, None, facts=facts, drawing=drawing)


def with_question(table: pa.Table, question: str | None) -> pa.Table:
    """Return a table of texts with the same question about each."""
    import pyarrow as pa

    return table.append_column("question", pa.array([question] * table.num_rows, pa.string()))


def _open_answers(
    model: Model, names: Sequence[str], table: pa.Table, drawn: Collection[int]
) -> Iterator[Prediction]:  # fmt: skip
    """Yield the answers of a problem without classes."""
    problem = model.problem
    answers, examples = model.answer(table)
    said = problem.predict(answers, examples)
    rows = zip(names, said, table.to_pylist(), answers, strict=True)
    for number, (name, facts, row, numbers) in enumerate(rows):
        pictures = {key: _png(picture) for key, picture in problem.pictures(row, numbers).items()}
        picture = problem.draw(row, numbers) if number in drawn else None
        drawing = None if picture is None else _png(picture)
        yield Prediction(name, None, None, None, facts=facts, pictures=pictures, drawing=drawing)


def _choice(name: str, shares: list[float], model: Model, note: str) -> Prediction:
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


def _png(image: Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
