"""N trials of one shape trained as one: stacked with torch.func, or one after another with as little around them.

Both train the top of a network alone, on inputs that lie ready for all rows: no prefix to play back, no checkpoint, no
curve, no accelerator. What is left of the loop is what decides the weights: order, loss, clipping, AdamW, schedule.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import get_cosine_schedule_with_warmup

from graft.backbones import Freeze
from graft.catalog import Study
from graft.strategies.strategy import Leg
from graft.training.batches import rows_of_step

BETAS, EPSILON = (0.9, 0.999), 1e-8  # the defaults of torch.optim.AdamW, which the loop keeps
Loss = Callable[[Tensor, Tensor, float], Tensor]


class Top(nn.Module):
    """The upper part of a network as a module of its own; the last of its parts is the head."""

    def __init__(self, blocks: Sequence[nn.Module], head: nn.Module) -> None:
        super().__init__()
        self.blocks, self.head = nn.ModuleList(blocks), head

    def forward(self, hidden: Tensor, *others: Tensor) -> Any:
        """Return the logits for what the layer below gave; `others`, such as a mask, go to every block."""
        for block in self.blocks:
            hidden = block(hidden, *others)
        return self.head(hidden)


@dataclass(frozen=True)
class Work:
    """Equal-shaped trials: each has the rows of a fold and a learning rate."""

    top: Top
    """What all begin with."""
    rates: dict[str, float]
    """Factor on the learning rate by parameter of `top`."""
    inputs: tuple[Tensor, ...]
    """What the frozen layers give for all rows, each (rows, ...)."""
    labels: Tensor
    folds: Tensor
    """Rows that each trial trains on (trials, rows)."""
    learning_rates: tuple[float, ...]
    """Of each trial."""
    loss: Loss
    recipe: Study
    steps: int
    seed: int

    def rows(self, step: int) -> Tensor:
        """Return the rows of a step (trials, batch), drawn as the loop draws them."""
        return self.folds[:, rows_of_step(step, self.folds.shape[1], self.recipe.batch_size, self.seed)]

    def decay(self, name: str) -> float:
        """Return the weight decay of a parameter: of matrices only."""
        return self.recipe.weight_decay if self.top.get_parameter(name).ndim >= 2 else 0.0

    def schedule(self, optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LambdaLR:
        """Return the loop's schedule."""
        warmup = round(self.steps * self.recipe.warmup_share)
        schedule: torch.optim.lr_scheduler.LambdaLR = get_cosine_schedule_with_warmup(optimizer, warmup, self.steps)
        return schedule


def rates_of(model: Any, top: Top, leg: Leg) -> dict[str, float]:
    """Return the factor on the learning rate of each parameter of `top`, which is a part of `model`."""
    freeze = Freeze(model, leg)
    own = {id(model.get_parameter(name)): leg.rate_of(owner) for name, owner in freeze.owners.items()}
    freeze.set_train(model)
    return {name: own[id(parameter)] for name, parameter in top.named_parameters()}


def train_in_turn(work: Work) -> list[list[float]]:
    """Return the losses of each trial, trained one after another."""
    return [_train_alone(work, trial) for trial in range(len(work.folds))]


def _train_alone(work: Work, trial: int) -> list[float]:
    model, losses = copy.deepcopy(work.top), []
    groups = [
        {"params": [value], "lr": work.learning_rates[trial] * work.rates[name], "weight_decay": work.decay(name)}
        for name, value in model.named_parameters()
    ]
    optimizer = torch.optim.AdamW(groups)
    schedule = work.schedule(optimizer)
    for step in range(work.steps):
        rows = work.rows(step)[trial]
        loss = work.loss(model(*(one[rows] for one in work.inputs)), work.labels[rows], work.recipe.label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), work.recipe.clip)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(float(loss.detach()))
    return losses


def train_stacked(work: Work) -> list[list[float]]:
    """Return the losses of each trial, trained as one stack."""
    parameters, buffers = stack_module_state([work.top] * len(work.folds))
    values = {name: value.detach() for name, value in parameters.items()}
    buffers = {name: value.clone() for name, value in buffers.items()}
    shape = copy.deepcopy(work.top).to("meta")

    def loss_of(values: dict[str, Tensor], buffers: dict[str, Tensor], inputs: Sequence[Tensor], labels: Tensor) -> Any:
        return work.loss(functional_call(shape, (values, buffers), tuple(inputs)), labels, work.recipe.label_smoothing)

    # dropout, where there is any, draws for each trial; the draws are not those of a trial that trains alone
    differentiate = vmap(grad_and_value(loss_of), randomness="different")
    optimizer, losses = StackedAdamW(work, values), []
    for step in range(work.steps):
        rows = work.rows(step)
        inputs, labels = tuple(one[rows] for one in work.inputs), work.labels[rows]
        with sdpa_kernel(SDPBackend.MATH):  # the only attention that stacks; of others vmap runs one after another
            gradients, loss = differentiate(values, buffers, inputs, labels)
        clip_each(list(gradients.values()), work.recipe.clip)
        optimizer.step(gradients)
        losses.append(loss.tolist())
    return [list(trial) for trial in zip(*losses, strict=True)]


def clip_each(gradients: Sequence[Tensor], most: float) -> None:
    """Clip stacked gradients, each (trials, ...), by the norm that each trial has over all of them."""
    norms = torch.stack([value.flatten(1).norm(dim=1) for value in gradients]).norm(dim=0)
    factors = (most / (norms + 1e-6)).clamp(max=1.0)
    for value in gradients:
        value.mul_(_beside(factors, value))


@dataclass
class StackedAdamW:
    """AdamW (Loshchilov and Hutter 2019, algorithm 2) with a learning rate for each trial of a stack.

    It works element by element, so that a stack is to it what a matrix is; `torch.optim.AdamW` takes one rate for all.
    """

    work: Work
    values: dict[str, Tensor]
    """Parameters, each (trials, ...); changed in place."""
    moments: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    steps: int = 0

    def __post_init__(self) -> None:
        self.moments = {name: (torch.zeros_like(v), torch.zeros_like(v)) for name, v in self.values.items()}
        bases = torch.tensor(self.work.learning_rates)
        self._rates = {name: _beside(bases * self.work.rates[name], value) for name, value in self.values.items()}
        clock = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        self._schedule = self.work.schedule(clock)

    def step(self, gradients: dict[str, Tensor]) -> None:
        """Move every parameter of every trial."""
        self.steps += 1
        factor = self._schedule.get_last_lr()[0]
        first, second = (1 - beta**self.steps for beta in BETAS)
        for name, value in self.values.items():
            gradient, (mean, square), rate = gradients[name], self.moments[name], self._rates[name] * factor
            if decay := self.work.decay(name):
                value.mul_(1 - rate * decay)
            mean.lerp_(gradient, 1 - BETAS[0])
            square.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
            value.sub_(rate / first * mean / ((square / second).sqrt_().add_(EPSILON)))
        self._schedule.optimizer.step()
        self._schedule.step()


def _beside(factors: Tensor, value: Tensor) -> Tensor:
    """Return one factor for each trial (trials,) in a shape that multiplies a stacked parameter (trials, ...)."""
    return factors.view(-1, *[1] * (value.ndim - 1))
