"""graft predict."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.terminal import print_json, print_table
from graft.errors import BadInput

if TYPE_CHECKING:
    from graft.registry import Prediction


def predict(
    reference: str,
    inputs: list[str],
    question: str | None,
    out: Path,
    draw: Path | None,
    as_json: bool,
    drawing: Mapping[str, Any] | None = None,
    beside: str | None = None,
    gallery: Path | None = None,
) -> None:
    """Print what the model says of each input: label and probability, or its answer; write what is a file.

    `drawing` is how a text is drawn that the model writes (see `Sampling`), as far as it was said. The continuation of
    one prompt is printed as it is.
    """
    from graft.problems.sampling import Sampling
    from graft.registry import predict

    sampling = Sampling(**drawing) if drawing else None
    given = {"sampling": sampling, "beside": beside, "gallery": gallery}
    others: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    predictions = predict(reference, inputs, question=question, draw=draw is not None, **others)
    files = [_answers(each, out) for each in predictions]
    drawings = _drawings(predictions, draw) if draw is not None else []
    _write([(path, content) for found in files for path, content in found.values()] + drawings)
    named = [{name: str(path) for name, (path, _) in found.items()} for found in files]
    if as_json:
        print_json([each.plain() | names for each, names in zip(predictions, named, strict=True)])
        return
    if len(predictions) == 1 and "continuation" in (predictions[0].facts or {}):
        print(predictions[0].facts["continuation"])
        if predictions[0].note:
            print(f"note: {predictions[0].note}", file=sys.stderr)
        return
    if all(each.label is not None for each in predictions):
        rows = [(each.input, str(each.label), f"{each.probability:.3f}", each.note) for each in predictions]
        print_table(("input", "label", "probability", ""), rows, right=("probability",))
        return
    # what is a mapping is for machines, and has no cell
    found = [(each, line) for each, names in zip(predictions, named, strict=True)
             for line in _lines({**_rows_apart(each), **names})]  # fmt: skip
    names = [*dict.fromkeys(name for _, line in found for name, one in line.items() if not isinstance(one, Mapping))]
    answers = [(each.input, *(_cell(line.get(name)) for name in names), each.note) for each, line in found]
    print_table(("input", *names, ""), answers)


def _lines(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return facts as lines of a table: one, or one for each of the things that were found, if there are any."""
    things = [one for value in facts.values() if _is_things(value) for one in value]
    rest = {name: value for name, value in facts.items() if not _is_things(value)}
    none = {name: "none" for name, value in facts.items() if _is_things(value)}
    return [{**thing, **rest} for thing in things] or [none | rest]


def _is_things(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, Mapping) for one in value)


def _answers(one: Prediction, out: Path) -> Mapping[str, tuple[Path, bytes]]:
    """Return the files that an answer consists in, by name: cells.png has its mask in cells.mask.png."""
    return {name: (out / f"{Path(one.input).stem}.{name}.png", content) for name, content in one.pictures.items()}


def _drawings(predictions: Sequence[Prediction], draw: Path) -> list[tuple[Path, bytes]]:
    """Return the drawings: one in the file of that name, several in a folder of that name."""
    drawn = [(Path(each.input), each.drawing) for each in predictions if each.drawing is not None]
    if len(drawn) < len(predictions):
        raise BadInput("--draw: this model's answers are not drawn", advice="Leave it out.")
    if len(drawn) == 1 and draw.suffix:
        return [(draw, drawn[0][1])]
    if draw.suffix:
        raise BadInput(f"--draw {draw}: one file for {len(drawn)} inputs", advice="Name a folder: --draw drawings")
    return [(draw / f"{path.stem}.drawn.png", content) for path, content in drawn]


def _write(files: Sequence[tuple[Path, bytes]]) -> None:
    """Write all files; raises BadInput, before the first is written, where two would have one name."""
    twice = [str(path) for path, count in Counter(path for path, _ in files).items() if count > 1]
    if twice:
        raise BadInput("two inputs of one name would be answered in one file", twice, "Ask for one of them at a time.")
    for path, content in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _rows_apart(one: Prediction) -> dict[str, Any]:
    """Return what a table says of one input: a list of matches as one cell, of an embedding only how long it is."""
    facts = dict(one.facts or {})
    if matches := facts.pop("matches", None):
        facts["next"] = ", ".join(f"{match['file']} {match['similarity']:.3f}" for match in matches[1:])
    if embedding := facts.pop("embedding", None):
        facts["embedding"] = f"{len(embedding)} numbers: --json prints them, --with and --gallery compare them"
    return {name: {True: "same", False: "not"}.get(value, value) if isinstance(value, bool) else value
            for name, value in facts.items()}  # fmt: skip


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
