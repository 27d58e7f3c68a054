"""A request from bytes to what a model is asked. All that a client sends is doubted here, before a network sees it."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from graft.errors import BadInput, DataError, Refused

if TYPE_CHECKING:
    import pyarrow as pa

    from graft.problems.problem import Modality
    from graft.problems.sampling import Sampling
    from graft.reading import Medium
    from graft.serving.champion import Held
    from graft.serving.limits import Limits

JSON = "application/json"
RAW = ("image/", "audio/", "application/octet-stream")
"""Kinds of content that are one file, as it is."""
SAMPLING = ("max_tokens", "temperature", "top_p", "seed")


class File(BaseModel):
    """A file in JSON."""

    model_config = ConfigDict(extra="forbid")

    data: Annotated[str, Field(description="The bytes of an image or a sound in base64 (RFC 4648, section 4).")]
    name: Annotated[str | None, Field(description="What the answer calls it.", max_length=500)] = None


class Body(BaseModel):
    """What `POST /predict` reads."""

    model_config = ConfigDict(extra="forbid", populate_by_name=False)

    inputs: Annotated[
        list[str | File],
        Field(description="Texts; or images or sounds in base64, each alone or as an object with its name."),
    ]
    question: Annotated[str | None, Field(description="What is asked about every text (question-answering).")] = None
    draw: Annotated[bool, Field(description="Whether each answer is drawn into its image, where it can be.")] = False
    beside: Annotated[
        str | File | None, Field(alias="with", description="File to compare each input with (face-verification).")
    ] = None
    max_tokens: Annotated[int | None, Field(description="Tokens to write at the most (text-generation).")] = None
    temperature: Annotated[float | None, Field(description="Of what is drawn; 0 writes the likeliest token.")] = None
    top_p: Annotated[float | None, Field(description="Share of the probability that is drawn from.")] = None
    seed: Annotated[int | None, Field(ge=-(2**63), lt=2**63, description="Of what is drawn.")] = None


@dataclass(frozen=True)
class Question:
    """One request to one version of a model, fit to be answered.

    `table` holds canonical inputs, a row for each name; of a model that writes the names are the prompts, and it is
    None. `beside` is what they are compared with, its name first.
    """

    held: Held
    names: Sequence[str]
    table: pa.Table | None
    draw: bool = False
    sampling: Sampling | None = None
    beside: tuple[str, pa.Table] | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def joins(self) -> bool:
        """Say whether its inputs may go through the network together with those of others."""
        return self.table is not None and self.beside is None


def read_json(content: bytes) -> Body:
    """Return a body of JSON; raises Refused naming everything that is wrong with it."""
    try:
        return Body.model_validate_json(content)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
    if any(fault["type"] == "json_invalid" for fault in faults):
        raise Refused(400, "the body is not JSON", [faults[0]["msg"]], EXPECTED)
    problems = dict.fromkeys(f"{_place(fault['loc'])}: {fault['msg']}" for fault in faults[:20])
    raise Refused(422, "the body is not what is expected", [*problems], EXPECTED)


def read_file(content: bytes, query: Mapping[str, str]) -> Body:
    """Return the body that a file sent as it is amounts to; its name, and whether to draw, stand in the address."""
    if unknown := sorted(query.keys() - {"name", "draw"}):
        raise Refused(422, "the address asks for what is not known", unknown, "Expected ?name=NAME and ?draw=true.")
    if query.get("draw", "false") not in ("true", "false"):
        raise Refused(422, f"draw={query['draw']}: expected true or false")
    if not content:
        raise Refused(422, "the body is empty", advice="Expected a file.")
    one = File(data=base64.b64encode(content).decode(), name=query.get("name", "")[:500] or None)
    return Body(inputs=[one], draw=query.get("draw") == "true")


def pose(body: Body, held: Held, limits: Limits) -> Question:
    """Return what a version is asked; raises Refused naming everything that it cannot be asked."""
    _check_counts(body, limits)
    _check_options(body, held)
    problem = held.model.problem
    if problem.writes:
        return Question(held, _texts(body.inputs, limits, may_be_empty=True), None, sampling=_sampling(body, limits))
    from graft.reading import MEDIA
    from graft.registry.answering import with_question

    medium = MEDIA[problem.modality]
    if medium.in_files:
        names, table = _files(body.inputs, problem.modality, limits)
        beside = None
        if body.beside is not None:
            others, held_table = _files([body.beside], problem.modality, limits)
            beside = ("with" if others[0] == f"{problem.modality} 1" else others[0], held_table)
        return Question(held, names, table, body.draw, beside=beside)
    names = _texts(body.inputs, limits, may_be_empty=False)
    table = medium.table(names)
    return Question(held, names, table if body.question is None else with_question(table, body.question), body.draw)


EXPECTED = 'Expected JSON such as {"inputs": ["a text", "another one"]}; see /openapi.json.'


def _place(location: Sequence[Any]) -> str:
    """Return where in a body a fault is: inputs.0.data; the arms of a union are not part of it."""
    return ".".join(str(part) for part in location if part not in ("str", "File")) or "body"


def _check_counts(body: Body, limits: Limits) -> None:
    if not body.inputs:
        raise Refused(422, "nothing to predict: 'inputs' is empty", advice=EXPECTED)
    if len(body.inputs) > limits.inputs:
        raise Refused(413, f"{len(body.inputs)} inputs; a request may have {limits.inputs}", advice="Send several.")


def _check_options(body: Body, held: Held) -> None:
    problem = held.model.problem
    said = body.model_fields_set
    problems = []
    if "question" in problem.columns and not (body.question or "").strip():
        problems.append("question: missing, and this model answers questions about texts")
    if "question" not in problem.columns and body.question is not None:
        problems.append(f"question: this model is for {problem.name}, which asks none")
    if not problem.writes:
        problems += [f"{name}: this model is for {problem.name}, which writes no text" for name in SAMPLING
                     if name in said]  # fmt: skip
    if not problem.compares and body.beside is not None:
        problems.append(f"with: this model is for {problem.name}, which compares nothing")
    if problems:
        raise Refused(422, "this model cannot be asked so", problems)


def _sampling(body: Body, limits: Limits) -> Sampling:
    from graft.problems.sampling import Sampling

    given = {name: value for name in SAMPLING if (value := getattr(body, name)) is not None}
    try:
        sampling = Sampling(**given)
    except BadInput as error:
        raise Refused(422, error.headline, error.problems) from None
    asked = sampling.max_tokens * len(body.inputs)
    if asked > limits.tokens:
        count = f"{sampling.max_tokens} tokens for each of {len(body.inputs)} input(s)"
        raise Refused(422, f"{count}; a request may ask for {limits.tokens} altogether")
    return sampling


def _texts(inputs: Sequence[str | File], limits: Limits, may_be_empty: bool) -> list[str]:
    texts, problems, long = [], [], []
    for position, given in enumerate(inputs, start=1):
        if isinstance(given, File):
            problems.append(f"text {position}: a file, expected a text")
            continue
        texts.append(given if may_be_empty else given.strip())
        if len(given) > limits.characters:
            long.append(f"text {position}: {len(given)} characters, expected at most {limits.characters}")
        elif not texts[-1] and not may_be_empty:
            problems.append(f"text {position}: empty")
    _refuse(problems, long, inputs, "texts")
    return texts


def _files(inputs: Sequence[str | File], modality: Modality, limits: Limits) -> tuple[list[str], pa.Table]:
    from graft.reading import MEDIA

    medium = MEDIA[modality]
    names, contents, problems, large = [], [], [], []
    for position, given in enumerate(inputs, start=1):
        one = given if isinstance(given, File) else File(data=given)
        names.append(one.name or f"{modality} {position}")
        try:
            contents.append(_decode(one.data))
            if excess := SIZES[modality](_known(contents[-1], medium), limits):
                large.append(f"{names[-1]}: {excess}")
                continue
            medium.open({"bytes": contents[-1], "path": names[-1]})
        except ValueError as error:
            problems.append(f"{names[-1]}: {error}")
        except DataError as error:
            problems.append(str(error))
    _refuse(problems, large, inputs, f"{medium.nouns} in base64")
    return names, medium.table(contents)


def _decode(data: str) -> bytes:
    """Return the bytes of base64, with or without the head of a data address; raises ValueError for others."""
    head, comma, rest = data.partition(",")
    encoded = rest if comma and head.startswith("data:") and head.endswith(";base64") else data
    try:
        content = base64.b64decode(encoded.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ValueError("not base64") from None
    if not content:
        raise ValueError("empty")
    return content


def _known(content: bytes, medium: Medium) -> bytes:
    """Return bytes that begin as a usual format does: a decoder of a rare one is no place for strangers."""
    if medium.begins is not None and not medium.begins(content):
        raise ValueError(f"not {medium.noun} that can be read (no known format)")
    return content


def _pixels(content: bytes, limits: Limits) -> str:
    """Return why an image is too large, as its head says; empty where it is not, or where it has no head."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as image:
            width, height = image.size
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return f"more than {limits.pixels} pixels"
    except (OSError, ValueError, SyntaxError):
        return ""  # opening it says what is wrong
    return f"{width} x {height} pixels, expected at most {limits.pixels}" if width * height > limits.pixels else ""


def _seconds(content: bytes, limits: Limits) -> str:
    from graft.reading import measure_duration

    seconds = measure_duration({"bytes": content, "path": None}) or 0.0
    return f"{seconds:.0f} s, expected at most {limits.clip_seconds:g}" if seconds > limits.clip_seconds else ""


SIZES: Mapping[Modality, Callable[[bytes, Limits], str]] = {"image": _pixels, "audio": _seconds}
"""How each kind of file is measured before it is decoded."""


def _refuse(problems: Sequence[str], large: Sequence[str], inputs: Sequence[Any], expected: str) -> None:
    if problems or large:
        headline = f"{len(problems) + len(large)} of {len(inputs)} inputs cannot be used"
        status = 422 if problems else 413
        raise Refused(status, headline, [*large, *problems], f"Expected {expected}.")
