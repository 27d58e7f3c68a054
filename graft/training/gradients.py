"""The gradient of one step: of all its rows at once, of parts that fit the device, on one device or on several.

However the rows are divided, the gradient is that of the mean loss over all of them: a part counts by what
`Problem.weigh` counts in it (masked tokens, say), so equal parts may have unequal shares.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size
from torch.nn.modules.batchnorm import _BatchNorm

from graft import interruption
from graft.errors import OutOfMemory
from graft.problems.problem import Batch
from graft.training.batches import divide, generator, paired, rows_of_step
from graft.training.player import Player
from graft.training.rehearsal import Rehearsing
from graft.training.together import Together

if TYPE_CHECKING:
    from graft.training.loop import Job

log = logging.getLogger(__name__)
T = TypeVar("T")
SMALLER = (
    "Make the inputs smaller (`image_size`, `max_tokens`), or take a smaller backbone or a device with more memory."
)


@dataclass(frozen=True)
class Drawn:
    """The rows of a step, as the network takes them."""

    rows: Sequence[int]
    inputs: Batch
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.rows)


class Gradients:
    """Computes the gradients of one training, step by step, and remembers how many rows fit at once."""

    def __init__(self, job: Job, model: Any, accelerator: Accelerator, rehearsing: Rehearsing | None) -> None:
        self._job, self._model, self._accelerator, self._rehearsing = job, model, accelerator, rehearsing
        self.together = Together(accelerator)
        self.together.align(model)
        self.at_once = math.ceil(job.recipe.batch_size / self.together.count)
        """Rows that one process computes together, at the most."""
        self.halved = False
        """Whether that is because more did not fit."""
        self.stop = False
        """Whether any of the processes had been asked to stop when they last told each other."""
        self._normalisations = [module for module in model.modules() if isinstance(module, _BatchNorm)]
        self._fewest = 2 if self._normalisations else 1  # a single row has no variance to divide by

    def make(self, step: int, player: Player | None, rehearse: bool) -> float:
        """Leave the gradient of a step in the model's parameters, of which all have none, and return the mean loss.

        `rehearse` says whether rows of the source have their share. Raises OutOfMemory where no part is small enough.
        """
        drawn = self._draw(step)
        if not self.together.alone:  # each has dropout of its own, that needs no state to go on from
            torch.manual_seed(generator(self._job.seed, step, self.together.rank).initial_seed())
        begun = self._state()
        while (loss := self._attempt(drawn, step, player, rehearse, begun)) is None:
            self._undo(begun)
            self._halve(len(drawn))
        return self._unite(loss)

    def remember(self, at_once: int | None) -> None:
        """Begin with what fitted before; None where everything did."""
        if at_once is not None:
            self.at_once, self.halved = min(self.at_once, at_once), True

    def _draw(self, step: int) -> Drawn:
        """Return a step's rows, all of them in every process: what is drawn for one row depends on those before it."""
        job = self._job
        rows = rows_of_step(step, len(job.train), job.recipe.batch_size, job.seed, job.train.widths)
        rows = paired(rows, job.train.widths)
        batch = job.problem.collate(job.train, rows, job.processor, generator(job.seed, step), training=True)
        labels = batch.pop("labels")
        return Drawn(rows, batch, labels)

    def _attempt(
        self, drawn: Drawn, step: int, player: Player | None, rehearse: bool, begun: list[torch.Tensor]
    ) -> float | None:
        """Return this process's share of the loss, its gradients made; None where memory overflowed in any process."""
        parts = self._parts(drawn)
        source = self._rehearsing if rehearse else None
        if self.together.alone and len(parts) == 1:
            return self._fits(lambda: self._at_once(drawn, step, player, source))
        if self._job.problem.separable:
            return self._fits(lambda: self._in_parts(drawn, parts, step, player, source))
        return self._in_two_passes(drawn, parts, step, player, source, begun)

    def _parts(self, drawn: Drawn) -> list[slice]:
        share = self.together.shares(len(drawn))[self.together.rank]
        parts = divide(share, self._count_parts(share.stop - share.start))
        return [part for part in parts if part.start < part.stop]

    def _count_parts(self, rows: int) -> int:
        return max(1, min(math.ceil(rows / self.at_once), rows // self._fewest))

    def _answer(self, drawn: Drawn, part: slice, player: Player | None) -> torch.Tensor:
        inputs = {name: value[part].to(self._accelerator.device) for name, value in drawn.inputs.items()}
        if player is not None:
            player(self._job.train.numbers(drawn.rows[part]))
        with self._accelerator.autocast():
            return self._job.problem.read(self._model(**inputs))

    def _loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        labels = labels.to(self._accelerator.device)
        return self._job.problem.loss(logits, labels, self._job.recipe.label_smoothing)

    def _at_once(self, drawn: Drawn, step: int, player: Player | None, source: Rehearsing | None) -> float:
        loss = self._loss(self._answer(drawn, slice(0, len(drawn)), player), drawn.labels)
        whole = loss
        if source is not None:
            (rehearsed,) = source.losses(step, self._accelerator.autocast)
            whole = (1 - source.share) * loss + source.share * rehearsed
        self._accelerator.backward(whole)
        return float(loss.detach())

    def _in_parts(
        self, drawn: Drawn, parts: list[slice], step: int, player: Player | None, source: Rehearsing | None
    ) -> float:
        """Return the sum of the parts' losses, each by its share of what is predicted."""
        weigh = self._job.problem.weigh
        total, everything = 0.0, max(weigh(drawn.labels), 1)
        for part in parts:
            if share := weigh(drawn.labels[part]) / everything:
                loss = share * self._loss(self._answer(drawn, part, player), drawn.labels[part])
                self._accelerator.backward(loss if source is None else (1 - source.share) * loss)
                total += float(loss.detach())
        self._rehearse(step, source)
        return total

    def _in_two_passes(
        self,
        drawn: Drawn,
        parts: list[slice],
        step: int,
        player: Player | None,
        source: Rehearsing | None,
        begun: list[torch.Tensor],
    ) -> float | None:
        """Return the share in a loss that only all rows together have, as rows that are held against each other.

        First the answers to all parts, without gradients; then the loss of all of them; then each part again, with the
        gradient of its own answers (Gao et al. 2021, Scaling Deep Contrastive Learning Batch Size, section 3.2).
        """
        answers = self._fits(lambda: self._answer_without_gradients(drawn, parts, player))
        if answers is None:
            return None
        answers = self.together.gather(answers, len(drawn)).requires_grad_()

        def second() -> float:
            loss = self._loss(answers, drawn.labels)
            (pull,) = torch.autograd.grad(loss, answers)
            self._undo(begun)  # dropout is drawn again, and running statistics see the rows once
            for part in parts:
                share = 1.0 if source is None else 1 - source.share
                torch.autograd.backward(self._answer(drawn, part, player), share * pull[part])
            self._rehearse(step, source)
            return float(loss.detach()) / self.together.count

        return self._fits(second)

    @torch.no_grad()
    def _answer_without_gradients(self, drawn: Drawn, parts: list[slice], player: Player | None) -> torch.Tensor:
        if not parts:  # fewer rows than processes: what an answer looks like
            return self._answer(drawn, slice(0, 1), player)[:0]
        return torch.cat([self._answer(drawn, part, player) for part in parts])

    def _rehearse(self, step: int, source: Rehearsing | None) -> None:
        if source is not None:
            for loss in source.losses(step, self._accelerator.autocast, self.at_once):
                self._accelerator.backward(source.share / self.together.count * loss)

    def _fits(self, compute: Callable[[], T]) -> T | None:
        """Return what is computed; None where it took more memory than there is, here or in another process."""
        found, overflow = None, False
        try:
            found = compute()
        except RuntimeError as error:
            if not (isinstance(error, torch.OutOfMemoryError) or should_reduce_batch_size(error)):
                raise
            overflow = True
        if self.together.add([float(overflow)])[0]:
            found = None
            clear_device_cache(garbage_collection=True)  # here, where nothing holds the error's frames any more
        return found

    def _state(self) -> list[torch.Tensor]:
        """Return what a pass through the network changes: the state of the random numbers, and running statistics."""
        states = [torch.get_rng_state()]
        if self._accelerator.device.type == "cuda":
            states.append(torch.cuda.get_rng_state(self._accelerator.device))
        return states + [buffer.clone() for buffer in self._running()]

    def _undo(self, begun: list[torch.Tensor]) -> None:
        for parameter in self._model.parameters():
            parameter.grad = None
        torch.set_rng_state(begun[0])
        if self._accelerator.device.type == "cuda":
            torch.cuda.set_rng_state(begun[1], self._accelerator.device)
        buffers = self._running()
        for buffer, before in zip(buffers, begun[len(begun) - len(buffers) :], strict=True):
            buffer.copy_(before)

    def _running(self) -> list[torch.Tensor]:
        return [buffer for module in self._normalisations if module.training for buffer in module.buffers()]

    def _halve(self, rows: int) -> None:
        """Have half as many rows computed at once from here on; every process comes to the same number."""
        most = math.ceil(rows / self.together.count)
        passes = self._count_parts(most)
        size = math.ceil(most / passes)
        place = self._job.folder.name
        if size < 2 * self._fewest:
            few = f"{size} row{'s' if size > 1 else ''} at once"
            raise OutOfMemory(f"{place}: the memory of {self._accelerator.device} is too small for {few}", (), SMALLER)
        self.at_once, self.halved = math.ceil(size / 2), True
        log.warning(
            "%s: %d rows at once are too many for the memory of %s: from here on %d in each of %d passes instead "
            "of %d, whose gradients are added up; a step is of the same %d rows",
            place, size, self._accelerator.device, self.at_once, self._count_parts(most), passes, rows,
        )  # fmt: skip

    def _unite(self, loss: float) -> float:
        """Give every process the gradients, the running statistics and the loss of all of them together."""
        if self.together.alone:
            return loss
        trained = [parameter for parameter in self._model.parameters() if parameter.requires_grad]
        made = [float(parameter.grad is not None) for parameter in trained]
        loss, stop, *made = self.together.add([loss, float(interruption.requested()), *made])
        self.stop = stop > 0
        gradients = []
        for parameter, count in zip(trained, made, strict=True):
            if count and parameter.grad is None:  # of a layer that was dropped here, or of a part without predictions
                parameter.grad = torch.zeros_like(parameter)
            if count:
                gradients.append(parameter.grad)
        running = [buffer.div_(self.together.count) for buffer in self._running() if buffer.is_floating_point()]
        self.together.add_up([*gradients, *running])
        return loss
