"""The one training loop, for pretraining and adaptation alike.

AdamW (Loshchilov and Hutter 2019) with linear warmup and cosine decay, clipped gradients, and a state that
can be put on disk after any step and taken up again to the bit.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import get_cosine_schedule_with_warmup

from graft import interruption
from graft.backbones import Freeze
from graft.catalog import Optimization
from graft.errors import CheckpointError, Interrupted
from graft.problems.examples import Examples
from graft.problems.problem import Problem
from graft.settings import settings
from graft.strategies.strategy import Leg
from graft.training import adapters, offsite
from graft.training.checkpoint import Snapshot, load_snapshot, optimizer_tensors, restore_optimizer, save_snapshot
from graft.training.device import make_accelerator, use_threads
from graft.training.gradients import Gradients
from graft.training.player import Player
from graft.training.prefix import Prefix, playing
from graft.training.rehearsal import Rehearsal, Rehearsing, moves_below_head
from graft.training.scoring import score

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """One training run, complete: the same job on the same machine gives the same weights."""

    problem: Problem
    processor: Any
    train: Examples
    validation: Examples | None
    legs: tuple[Leg, ...]
    learning_rate: float
    recipe: Optimization
    seed: int
    measure_every: int
    """Steps between two points of its curve."""
    patience: int | None
    """Measurements without a better validation loss before it stops; None keeps the last weights."""
    folder: Path
    """Where its checkpoints go."""
    stop_at: int | None = None
    """Step to end at, with the schedule still laid out for all legs."""
    blend: float | None = None
    """Share of the last leg's weights in the result, the rest being the first leg's; None: no interpolation."""
    prefix: Prefix | None = None
    """What the frozen lower groups return for the rows, where it has been recorded."""
    rehearsal: Rehearsal | None = None
    """Rows of the source that have a share of each step while layers below the head train."""
    validate_every: int | None = None
    """Steps between two measurements on the validation rows; None: at every point of the curve."""
    resumable: bool = False
    """Whether the state at the end is saved too, so that a job with a later end goes on from there."""


@dataclass
class Trained:
    """What a run leaves: the model is trained in place."""

    steps: int
    """The step whose weights were kept."""
    curve: list[dict[str, float | None]] = field(default_factory=list)
    seconds: float = 0.0
    """Of training and of scoring on the way, in all processes that had a part in it."""
    processes: int = 1
    """That trained together when it ended."""
    rows_at_once: int | None = None
    """That each of them computed together, at the most."""


class Run:
    """A job in progress."""

    def __init__(self, job: Job, model: Any) -> None:
        self._began, self._before = time.perf_counter(), 0.0
        if job.legs[0].rank:
            adapters.adapt(model, job.legs[0].rank, job.seed)
        # its own accelerator: a shared one keeps every model it prepared, until it is told to collect all garbage
        self.job, self.accelerator = job, make_accelerator()
        use_threads(model)  # after the accelerator, which chooses a number itself where there are several processes
        # "evaluation" leaves out torch's own way to several processes: see `together`
        self.model = self.accelerator.prepare_model(model, evaluation_mode=True)
        self.step, self.curve = 0, list[dict[str, float | None]]()
        self.best_loss, self.best_step, self.best = float("inf"), 0, dict[str, torch.Tensor]()
        self.pivot = dict[str, torch.Tensor]()  # the weights at the end of the first leg, where they are blended in
        self._rehearsing: Rehearsing | None = None
        if job.rehearsal is not None:
            plain = self.accelerator.unwrap_model(self.model)
            self._rehearsing = Rehearsing(job.rehearsal, plain, job.recipe.batch_size, job.seed)
        self.gradients = Gradients(job, self.model, self.accelerator, self._rehearsing)
        self.together = self.gradients.together
        self._playing = ExitStack()
        self._player: Player | None = None
        self._origin = self._copy() if any(leg.anchor for leg in job.legs) else {}
        self._recent, self._saved = list[float](), time.monotonic()
        self._ends = [sum(leg.steps for leg in job.legs[: i + 1]) for i in range(len(job.legs))]
        self.end = min(job.stop_at or self._ends[-1], self._ends[-1])
        torch.manual_seed(job.seed)
        self._enter(0)
        self._resume()

    def go(self, report: Callable[[int, str], None]) -> Trained:
        """Train to the end and return what is left; raises Interrupted after saving when asked to stop."""
        with self._playing:
            self._train(report)
        return Trained(self._finish(), self.curve, self._seconds(), self.together.count, self.gradients.at_once)

    def _train(self, report: Callable[[int, str], None]) -> None:
        while self.step < self.end and not self._out_of_patience():
            if self.step == self._ends[self._leg]:
                if self.job.blend is not None and self._leg == 0:
                    self.pivot = self._copy()
                self._enter(self._leg + 1)
                self._keep_features()
            loss = self._step()
            self.step += 1
            self._recent.append(loss)
            if self.step % self.job.measure_every == 0 or self.step == self.end:
                self._measure()
            report(self.step, f"loss {loss:.3f}")
            self._keep_safe()
        if self.job.resumable and self.end < self._ends[-1]:
            self._save()

    def _finish(self) -> int:
        """Give the model the weights that the run is worth, plain ones, and return the step they are from."""
        step = self.step
        if self.job.patience is not None and self.best:
            self.model.load_state_dict(self.best)
            step = self.best_step
        if self.pivot and self.job.blend is not None:
            self.model.load_state_dict(_interpolate(self.pivot, self._copy(), self.job.blend))
        if self.job.legs[0].rank:
            adapters.merge(self.accelerator.unwrap_model(self.model))
        return step

    def _seconds(self) -> float:
        return self._before + time.perf_counter() - self._began

    def _copy(self) -> dict[str, torch.Tensor]:
        return {name: value.detach().clone() for name, value in self.model.state_dict().items()}

    def _enter(self, leg: int) -> None:
        """Begin a leg: freeze, and make the optimizer of what trains."""
        self._leg, plan = leg, self.job.legs[leg]
        self.freeze = Freeze(self.accelerator.unwrap_model(self.model), plan)
        self.freeze.set_train(self.model)
        self._playing.close()  # the leg before may have played back more groups than this one keeps frozen
        self._player = self._playing.enter_context(playing(self.job.prefix, self.model, self.freeze.frozen_below))
        optimizer = torch.optim.AdamW(self._parameter_groups(plan))
        warmup = round(plan.steps * self.job.recipe.warmup_share)
        schedule = get_cosine_schedule_with_warmup(optimizer, warmup, plan.steps)
        self.optimizer, self.schedule = self.accelerator.prepare(optimizer, schedule)

    def _keep_features(self) -> None:
        """Begin anew on the features that the leg before has found to matter, where this leg says so."""
        if (kept := self.job.legs[self._leg].kept) < 1:
            self.accelerator.unwrap_model(self.model).head.select(kept, self.job.seed)

    def _parameter_groups(self, plan: Leg) -> list[dict[str, Any]]:
        """Return what trains by learning rate; weight decay is for matrices, not for biases and normalisations."""
        groups: dict[tuple[float, bool], list[torch.nn.Parameter]] = {}
        for name, parameter in self.model.named_parameters():
            if name in self.freeze.owners:
                rate = plan.rate_of(self.freeze.owners[name])
                groups.setdefault((rate, parameter.ndim >= 2), []).append(parameter)
        decay = self.job.recipe.weight_decay
        return [
            {"params": members, "lr": self.job.learning_rate * rate, "weight_decay": decay if matrices else 0.0}
            for (rate, matrices), members in groups.items()
        ]

    def _step(self) -> float:
        job, leg = self.job, self.job.legs[self._leg]
        rehearse = self._rehearsing is not None and moves_below_head(leg)
        loss = self.gradients.make(self.step, self._player, rehearse)
        if leg.anchor:
            self._pull_back(leg.anchor)
        if leg.lasso:
            self.accelerator.unwrap_model(self.model).head.shrink(leg.lasso)
        self.accelerator.clip_grad_norm_(self.model.parameters(), job.recipe.clip)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss

    def _pull_back(self, strength: float) -> None:
        """Add the gradient of L2-SP (Li et al. 2018, equation 2) for the weights below the head, which is new."""
        head = self.job.legs[self._leg].groups[-1]
        for name, parameter in self.model.named_parameters():
            if parameter.grad is not None and self.freeze.owners.get(name, head) != head:
                parameter.grad.add_(parameter.detach() - self._origin[name], alpha=strength)

    def _measure(self) -> None:
        job = self.job
        row: dict[str, float | None] = {"step": self.step, "train_loss": sum(self._recent) / len(self._recent)}
        if job.validation is not None and len(job.validation) and self._validates():
            loss, metric = self._validate(job.validation)
            row |= {"validation_loss": loss, "validation_metric": metric}
            if loss < self.best_loss and job.patience is not None:
                self.best_loss, self.best_step = loss, self.step
                self.best = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        self.curve.append(row)
        self._recent.clear()

    def _validate(self, rows: Examples) -> list[float]:
        """Return loss and metric; the first process scores, and the others go by what it says."""
        found = [math.nan, math.nan]
        if self.together.first:
            metrics = score(self.model, self.job.problem, rows, self.job.processor, self._player)
            found = [metrics["loss"], metrics[self.job.problem.metric]]
        return self.together.tell(found)

    def _validates(self) -> bool:
        """Say whether the validation rows are scored now; at the end they are where the best weights are kept.

        Where the last ones are, whoever trains scores those himself.
        """
        if self.job.patience is not None:
            return True
        return self.step < self.end and self.step % (self.job.validate_every or self.job.measure_every) == 0

    def _out_of_patience(self) -> bool:
        if self.job.patience is None or self.job.validation is None:
            return False
        return len([row for row in self.curve if (row["step"] or 0) > self.best_step]) >= self.job.patience

    def _keep_safe(self) -> None:
        stop = interruption.requested() if self.together.alone else self.gradients.stop
        if stop or time.monotonic() - self._saved >= settings().checkpoint_seconds:
            self._save()
            self._saved = time.monotonic()
        if stop:
            offsite.settle()
            self.together.wait()  # whoever ends first may end the others
            raise Interrupted(f"stopped at step {self.step} of {self.end}; the same command goes on from there")

    def _save(self) -> None:
        if self.together.first:
            save_snapshot(self.job.folder, self._snapshot())

    def _load(self) -> Snapshot | None:
        """Return the newest complete state, in every process the same; raises CheckpointError where they differ."""
        here = load_snapshot(self.job.folder) if self.together.first else None
        (step,) = self.together.tell([-1 if here is None else here.step])
        if step < 0 or self.together.first:
            return here
        here = load_snapshot(self.job.folder)
        if here is None or here.step != step:
            raise CheckpointError(
                f"{self.job.folder}: process {self.together.rank} does not find the state of step {step:.0f} there"
            )
        return here

    def _snapshot(self) -> Snapshot:
        parts = {
            "model": self.model.state_dict(),
            "optimizer": optimizer_tensors(self.optimizer),
            "best": self.best,
            "pivot": self.pivot,
            "random": {"cpu": torch.get_rng_state()},
        }
        if self.accelerator.device.type == "cuda":
            parts["random"]["cuda"] = torch.cuda.get_rng_state(self.accelerator.device)
        facts = {
            "leg": self._leg,
            "freeze": self.freeze.digest,
            "curve": self.curve,
            "recent": self._recent,
            "best_loss": self.best_loss,
            "best_step": self.best_step,
            "schedule": self.schedule.state_dict(),
            "seconds": self._seconds(),
            "at_once": self.gradients.at_once if self.gradients.halved else None,
        }
        tensors = {f"{part}/{name}": tensor for part, named in parts.items() for name, tensor in named.items()}
        return Snapshot(self.step, tensors, facts)

    def _resume(self) -> None:
        snapshot = self._load()
        if snapshot is None:
            return
        facts = snapshot.facts
        self._enter(facts["leg"])
        if facts["freeze"] != self.freeze.digest:
            raise CheckpointError(
                f"{self.job.folder}: the checkpoint was made with other trained parameters",
                [f"freeze mask {facts['freeze']} there, {self.freeze.digest} here"],
                "Remove the folder to begin again.",
            )
        self._before = facts.get("seconds", 0.0)
        self.gradients.remember(facts.get("at_once"))
        self.step, self.curve, self._recent = snapshot.step, facts["curve"], facts["recent"]
        self.best_loss, self.best_step = facts["best_loss"], facts["best_step"]
        self.best, self.pivot = _part(snapshot, "best"), _part(snapshot, "pivot")
        self.model.load_state_dict(_part(snapshot, "model"))
        restore_optimizer(self.optimizer, _part(snapshot, "optimizer"))
        self.schedule.load_state_dict(facts["schedule"])
        for group, rate in zip(self.optimizer.param_groups, self.schedule.get_last_lr(), strict=True):
            group["lr"] = rate
        torch.set_rng_state(snapshot.tensors["random/cpu"])
        if "random/cuda" in snapshot.tensors:
            torch.cuda.set_rng_state(snapshot.tensors["random/cuda"], self.accelerator.device)
        log.info("%s: going on from step %d of %d", self.job.folder.name, self.step, self.end)


def train(job: Job, model: Any, report: Callable[[int, str], None]) -> Trained:
    """Train `model` in place as the job says, from its newest checkpoint where there is one."""
    return Run(job, model).go(report)


def _interpolate(
    first: Mapping[str, torch.Tensor], last: Mapping[str, torch.Tensor], share: float
) -> dict[str, torch.Tensor]:
    """Return weights between two states of one network; counters are the last one's."""
    return {
        name: torch.lerp(first[name], value, share) if value.is_floating_point() else value
        for name, value in last.items()
    }


def _part(snapshot: Snapshot, part: str) -> dict[str, torch.Tensor]:
    prefix = f"{part}/"
    return {name.removeprefix(prefix): tensor for name, tensor in snapshot.tensors.items() if name.startswith(prefix)}
