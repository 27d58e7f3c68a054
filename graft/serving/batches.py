"""Requests that come together go through the network together: the network waits for nobody, and is never shared."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from graft.errors import BadInput, Refused
from graft.serving.limits import Limits

if TYPE_CHECKING:
    from graft.registry import Prediction
    from graft.serving.requests import Question

logger = logging.getLogger(__name__)


@dataclass
class Waiting:
    """A question whose asker waits for the future."""

    question: Question
    future: asyncio.Future[list[Prediction]]


class Batcher:
    """Collects questions and has them answered in the one thread of `network`.

    A batch closes when it has `limits.batch` inputs, or `limits.wait_seconds` after its first question; while the
    network is busy others gather.
    """

    def __init__(self, network: Executor, limits: Limits) -> None:
        self.network, self.limits = network, limits
        self.batches = self.inputs = 0
        """What has gone through the network so far."""
        self.pending = 0
        """Inputs that wait or are being answered."""
        self.running = False
        """Whether anybody answers."""
        self._queue: deque[Waiting] = deque()
        self._more = asyncio.Event()

    async def ask(self, question: Question) -> list[Prediction]:
        """Return the answers; raises Refused where too many wait already, or where this takes too long."""
        if self.pending + len(question) > self.limits.queue and self.pending:
            raise Refused(503, f"{self.pending} inputs wait already", advice="Ask again in a moment.")
        waiting = Waiting(question, asyncio.get_running_loop().create_future())
        self.pending += len(question)
        self._queue.append(waiting)
        self._more.set()
        try:
            async with asyncio.timeout(self.limits.seconds):
                return await waiting.future
        except TimeoutError:
            raise Refused(
                504, f"no answer within {self.limits.seconds:g} s", advice="Send fewer or smaller inputs."
            ) from None

    async def run(self) -> None:
        """Answer batch after batch until cancelled."""
        self.running = True
        try:
            while True:
                await self._answer(await self._gather())
        finally:
            self.running = False

    async def _answer(self, batch: Sequence[Waiting]) -> None:
        asked = [one.question for one in batch]
        count = sum(map(len, asked))
        try:
            answers = await asyncio.get_running_loop().run_in_executor(self.network, answer_together, asked)
        finally:
            self.pending -= count
        self.batches, self.inputs = self.batches + 1, self.inputs + count
        for one, answer in zip(batch, answers, strict=True):
            if one.future.done():  # whoever asked has gone
                continue
            if isinstance(answer, Exception):
                one.future.set_exception(answer)
            else:
                one.future.set_result(answer)

    async def _gather(self) -> list[Waiting]:
        """Return the questions of the next batch, one at the least, none of which has been given up."""
        while True:
            await self._first()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.limits.wait_seconds):
                    while sum(len(one.question) for one in self._queue) < self.limits.batch:
                        self._more.clear()
                        await self._more.wait()
            if batch := [*self._take()]:
                return batch

    async def _first(self) -> None:
        while not self._queue:
            self._more.clear()
            await self._more.wait()

    def _take(self) -> Iterator[Waiting]:
        room = self.limits.batch
        while self._queue and (len(self._queue[0].question) <= room or room == self.limits.batch):
            one = self._queue.popleft()
            if one.future.done():
                self.pending -= len(one.question)
                continue
            room -= len(one.question)
            yield one


def answer_together(questions: Sequence[Question]) -> list[list[Prediction] | Exception]:
    """Return what each question is answered with, or why it is not; those that join go through the network as one.

    Where a common run fails each is asked alone, so that nobody suffers for another's input.
    """
    found: dict[int, list[Prediction] | Exception] = {}
    order = sorted(range(len(questions)), key=lambda place: _kind(questions[place]))
    for (joins, _), group in groupby(order, key=lambda place: _kind(questions[place])):
        places = [*group]
        parts = [places] if joins else [[place] for place in places]
        for part in parts:
            found |= dict(zip(part, _answers([questions[place] for place in part]), strict=True))
    return [found[place] for place in range(len(questions))]


def _kind(question: Question) -> tuple[bool, int]:
    return question.joins, id(question.held)


def _answers(questions: Sequence[Question]) -> list[list[Prediction] | Exception]:
    try:
        return [*_asked(questions)]
    except Exception as error:
        if len(questions) > 1:
            return [answer for question in questions for answer in _answers([question])]
        if isinstance(error, BadInput):
            return [Refused(422, error.headline, error.problems, error.advice)]
        logger.exception("a request could not be answered")
        return [error]


def _asked(questions: Sequence[Question]) -> Iterator[list[Prediction]]:
    import pyarrow as pa

    from graft.registry.answering import answer, compare, write

    first = questions[0]
    model = first.held.model
    if first.table is None:
        yield write(model, first.names, first.sampling)
    elif first.beside is not None:
        name, others = first.beside
        yield [*compare(model, first.held.package, first.names, first.table, [name], others, False, first.draw)]
    else:
        table = pa.concat_tables([one.table for one in questions if one.table is not None])
        names = [name for one in questions for name in one.names]
        drawn = [draw for one in questions for draw in [one.draw] * len(one)]
        answers = answer(model, names, table, {place for place, draw in enumerate(drawn) if draw})
        start = 0
        for one in questions:
            yield answers[start : start + len(one)]
            start += len(one)
