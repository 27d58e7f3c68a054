"""The routes of a served model: `POST /predict`, `GET /health`, `GET /`; OpenAPI at /openapi.json."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from graft import __version__
from graft.errors import BadInput, Refused
from graft.registry import Prediction
from graft.serving.batches import Batcher
from graft.serving.champion import Champion
from graft.serving.limits import Limits
from graft.serving.requests import EXPECTED, JSON, RAW, Body, pose, read_file, read_json

logger = logging.getLogger(__name__)


class Answers(BaseModel):
    """What `POST /predict` answers."""

    model: str = Field(description="The version that answered.")
    digest: str = Field(description="Of its package.")
    predictions: list[dict[str, Any]] = Field(
        description="One for each input, in order, as `graft predict --json` prints it; PNG files in base64 in "
        "`pictures`, by name, and in `drawing`."
    )


class Fault(BaseModel):
    """What is answered where there is no answer."""

    error: str = Field(description="What was found, and what was expected.")
    problems: list[str] = Field(description="Everything that is wrong with the inputs.")
    advice: str = Field(description="What to do.")


class Rejection(BaseModel):
    """A version that should answer and cannot."""

    version: str
    digest: str
    reason: str


class Health(BaseModel):
    """What `GET /health` answers."""

    ready: bool = Field(description="Whether questions are answered.")
    reference: str = Field(description="What was asked for, such as `digits@champion`.")
    model: str = Field(description="The version that answers.")
    version: int
    digest: str = Field(description="Of its package.")
    problem: str
    since: str = Field(description="When it took over.")
    rejected: Rejection | None = Field(description="The version that the reference means now, if it does not load.")
    registry: str = Field(description="`ok`, or why the registry could not be read.")
    batches: int = Field(description="That went through the network.")
    inputs: int = Field(description="In these batches.")
    pending: int = Field(description="Inputs that wait or are being answered.")
    graft: str = Field(description="The version of Graft.")


def make_app(champion: Champion, limits: Limits, poll_seconds: float) -> FastAPI:
    """Return the application; it looks for another champion every `poll_seconds` for as long as it runs."""
    network = ThreadPoolExecutor(1, thread_name_prefix="network")
    batcher = Batcher(network, limits)

    @contextlib.asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(batcher.run()), asyncio.create_task(_watch(champion, network, poll_seconds))]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            network.shutdown(wait=True, cancel_futures=True)

    # no pages at /docs: they would load their scripts from the web
    app = FastAPI(title="Graft", version=__version__, description=about(champion), lifespan=running,
                  docs_url=None, redoc_url=None)  # fmt: skip
    _say_faults(app)
    gate = Gate(limits)

    @app.get("/", response_class=PlainTextResponse, summary="What this is, in words")
    async def describe() -> str:
        return about(champion)

    @app.get("/health", summary="Which version answers, and whether it can")
    async def health(response: Response) -> Health:
        found = _health(champion, batcher)
        response.status_code = 200 if found.ready else 503
        return found

    @app.post("/predict", summary="Ask the model", openapi_extra={"requestBody": REQUEST}, responses=FAULTS)
    async def predict(request: Request) -> Answers:
        async with gate:
            body = await _read(request, limits)
            question = await asyncio.to_thread(pose, body, champion.held, limits)
            predictions = await batcher.ask(question)
        version = question.held.version
        return Answers(model=version.name, digest=version.digest, predictions=[_plain(one) for one in predictions])

    return app


def about(champion: Champion) -> str:
    """Return what is served, and how to ask it, in a few lines."""
    held = champion.held
    problem = held.model.problem
    sent = {"text": '{"inputs": ["a text"]}', "image": '{"inputs": ["BASE64"]}', "audio": '{"inputs": ["BASE64"]}'}
    content = sent[problem.modality]
    if "question" in problem.columns:
        content = content.replace("]", '], "question": "Who ...?"')
    file = {"image": "image/png' --data-binary @scan.png", "audio": "audio/wav' --data-binary @clip.wav"}
    lines = [
        f"{held.version.name} ({champion.reference}), {problem.name}, served by Graft {__version__}.",
        "",
        f"POST /predict   a body of {JSON}: {content}",
    ]
    if problem.modality in file:
        lines += [f"                or one file as it is: curl -H 'Content-Type: {file[problem.modality]} .../predict"]
    lines += ["GET  /health    version, digest, readiness", "GET  /openapi.json    every field", ""]
    return "\n".join(lines)


class Gate:
    """Lets in as many requests at once as may wait: what they send is held in memory."""

    def __init__(self, limits: Limits) -> None:
        self.most, self.open = limits.queue, 0

    async def __aenter__(self) -> None:
        if self.open >= self.most:
            raise Refused(503, f"{self.open} requests are open already", advice="Ask again in a moment.")
        self.open += 1

    async def __aexit__(self, *_: object) -> None:
        self.open -= 1


async def _watch(champion: Champion, network: ThreadPoolExecutor, seconds: float) -> None:
    """Look for another champion again and again; it is loaded beside the network, and checked in its thread."""
    from graft.registry.package import check_golden

    def look() -> bool:
        return champion.look(lambda package, model: network.submit(check_golden, package, model).result())

    while True:
        await asyncio.sleep(seconds)
        await asyncio.to_thread(look)


async def _read(request: Request, limits: Limits) -> Body:
    """Return what a request says; raises Refused for another kind of content, for too much and for too slow."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON and not kind.startswith(RAW):
        raise Refused(
            415,
            f"content type {kind!r}" if kind else "no content type",
            advice=f"Expected {JSON}, or image/..., audio/... or application/octet-stream for one file as it is.",
        )
    if "content-encoding" in request.headers:  # what it would unpack to is not known
        raise Refused(415, f"content encoding {request.headers['content-encoding']!r}", advice="Send it as it is.")
    try:
        async with asyncio.timeout(limits.seconds):
            content = await _receive(request, limits.body_bytes)
    except ClientDisconnect:
        raise Refused(400, "the body ended early") from None
    except TimeoutError:
        raise Refused(408, f"the request did not arrive within {limits.seconds:g} s") from None
    if kind == JSON:
        return await asyncio.to_thread(read_json, content)
    return await asyncio.to_thread(read_file, content, dict(request.query_params))


async def _receive(request: Request, most: int) -> bytes:
    """Return a body of at most so many bytes.

    A little beyond is received and thrown away, since a client hears nothing while it sends.
    """
    too_large = Refused(413, f"the body has more than {most} bytes", advice="Send fewer or smaller inputs.")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > 2 * most:
        raise too_large
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > 2 * most:
            raise too_large
        if size <= most:
            parts.append(part)
    if size > most:
        raise too_large
    return b"".join(parts)


def _plain(one: Prediction) -> dict[str, Any]:
    files: dict[str, Any] = {}
    if one.pictures:
        files["pictures"] = {name: base64.b64encode(content).decode() for name, content in one.pictures.items()}
    if one.drawing is not None:
        files["drawing"] = base64.b64encode(one.drawing).decode()
    return one.plain() | files


def _health(champion: Champion, batcher: Batcher) -> Health:
    held, rejected = champion.held, champion.rejected
    return Health(
        ready=batcher.running,
        reference=champion.reference,
        model=held.version.name,
        version=held.version.number,
        digest=held.version.digest,
        problem=held.model.problem.name,
        since=held.since.isoformat(timespec="seconds"),
        rejected=None if rejected is None else Rejection(
            version=rejected.version.name, digest=rejected.version.digest, reason=rejected.reason
        ),
        registry=champion.fault or "ok",
        batches=batcher.batches,
        inputs=batcher.inputs,
        pending=batcher.pending,
        graft=__version__,
    )  # fmt: skip


def _say_faults(app: FastAPI) -> None:
    """Answer whatever goes wrong in one form, and never with a trace."""

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Exception) -> JSONResponse:
        status = error.status if isinstance(error, Refused) else 500
        headers = {"Retry-After": "1"} if status == 503 else {}
        if status in (408, 413, 415):
            headers["Connection"] = "close"  # what is left of the body is not read
        found = error if isinstance(error, BadInput) else BadInput(str(error))
        return _fault(status, found, headers)

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: Exception) -> JSONResponse:
        status = error.status_code if isinstance(error, HTTPException) else 500
        headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
        path = request.url.path
        said = f"{request.method} {path[:200]}: {'no such address' if status == 404 else 'not possible'}"
        return _fault(status, BadInput(said, advice="Expected POST /predict, GET /health or GET /."), headers)

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> JSONResponse:
        return _fault(500, BadInput("this request met a fault of the server", advice="Its log says more."), {})


def _fault(status: int, error: BadInput, headers: Mapping[str, str]) -> JSONResponse:
    content = Fault(error=error.headline, problems=[*error.problems], advice=error.advice)
    return JSONResponse(content.model_dump(), status, dict(headers))


FAULTS: dict[int | str, dict[str, Any]] = {
    400: {"model": Fault, "description": "The body is not JSON."},
    408: {"model": Fault, "description": "It did not arrive in time."},
    413: {"model": Fault, "description": "Too large: the body, or an input, or too many of them."},
    415: {"model": Fault, "description": "Another kind of content."},
    422: {"model": Fault, "description": f"An input or an option cannot be used. {EXPECTED}"},
    503: {"model": Fault, "description": "Too many wait already."},
    504: {"model": Fault, "description": "Not answered in time."},
}


def _schema() -> dict[str, Any]:
    """Return what a body of JSON looks like, in one piece: a reference would be looked for in the whole document."""
    found = Body.model_json_schema()
    files = {f"#/$defs/{name}": one for name, one in found.pop("$defs").items()}

    def whole(part: Any) -> Any:
        if isinstance(part, list):
            return [whole(one) for one in part]
        if not isinstance(part, dict):
            return part
        return files[part["$ref"]] if "$ref" in part else {key: whole(value) for key, value in part.items()}

    schema: dict[str, Any] = whole(found)
    return schema


REQUEST = {
    "required": True,
    "content": {
        JSON: {"schema": _schema()},
        **{kind: {"schema": {"type": "string", "format": "binary"}} for kind in ("image/*", "audio/*", RAW[-1])},
    },
}
