"""The exhaustive grid that one would run without a study: each candidate, seed and fold by transformers' Trainer."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PrinterCallback, Trainer, TrainingArguments

from bench.pairs import Ready
from graft.backbones import Freeze, renew, renew_head
from graft.problems.examples import Examples
from graft.strategies.strategy import Leg
from graft.study.candidates import Candidate
from graft.study.folds import Fold, split
from graft.training import evaluate
from graft.training.device import make_accelerator

Cell = tuple[str, float]
"""A strategy at a learning rate."""


@dataclass(frozen=True)
class Searched:
    """What a search chose, and the validation metric of all that it trained, seed by seed and fold by fold."""

    chosen: Cell
    metrics: Mapping[Cell, Sequence[float]]


def run_grid(found: Ready) -> Searched:
    """Train every candidate with every seed on every fold, then the best and the best control on all labels."""
    study, metrics = found.bench.study, dict[Cell, list[float]]()
    candidates, _, selection = found.plan()
    for candidate in candidates:
        mine = metrics.setdefault((candidate.strategy, candidate.learning_rate), [])
        for seed in range(study.seeds):
            mine += [_try(found, candidate, seed, fold) for fold in split(found.train, selection, seed)]
    means = {cell: sum(mine) / len(mine) for cell, mine in metrics.items()}
    best = [_best([one for one in candidates if one.role == role], means) for role in ("candidate", "control")]
    for candidate in best:
        for seed in range(study.seeds):
            _train(found, candidate, seed, found.bench.examples)
    return Searched((best[0].strategy, best[0].learning_rate), metrics)


def _best(candidates: Sequence[Candidate], means: Mapping[Cell, float]) -> Candidate:
    return max(candidates, key=lambda one: (means[one.strategy, one.learning_rate], -one.cost))


def _try(found: Ready, candidate: Candidate, seed: int, fold: Fold) -> float:
    model = _train(found, candidate, seed, found.bench.examples.take(fold.train))
    held = found.bench.examples.take(fold.validation)
    return float(evaluate(model, found.problem, held, found.processor)[0][found.problem.metric])


def _train(found: Ready, candidate: Candidate, seed: int, rows: Examples) -> Any:
    """Return a model trained phase by phase, each phase by a `Trainer` of its own."""
    begin = renew if candidate.strategy == "scratch" else renew_head
    model = begin(found.bench.source, found.problem, found.bench.labels, seed)
    for leg in candidate.legs:
        _run(found, model, leg, candidate.learning_rate, seed, rows)
    return model


def _run(found: Ready, model: Any, leg: Leg, rate: float, seed: int, rows: Examples) -> None:
    study, freeze, on_cpu = found.bench.study, Freeze(model, leg), make_accelerator().device.type == "cpu"
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, max_steps=leg.steps, per_device_train_batch_size=study.batch_size, learning_rate=rate,
            weight_decay=study.weight_decay, warmup_steps=round(leg.steps * study.warmup_share),
            lr_scheduler_type="cosine", max_grad_norm=study.clip, seed=seed, report_to=[], save_strategy="no",
            logging_strategy="no", disable_tqdm=True, use_cpu=on_cpu, remove_unused_columns=False,
            dataloader_pin_memory=False,
        )  # fmt: skip

        def collate(places: list[int]) -> dict[str, torch.Tensor]:
            return found.problem.collate(rows, places, found.processor, torch.Generator(), training=True)

        optimizers = (_optimizer(model, leg, freeze, rate, study.weight_decay), None)
        trainer = FrozenTrainer(
            model, arguments, train_dataset=range(len(rows)), data_collator=collate, optimizers=optimizers
        )
        trainer.freeze = freeze
        trainer.remove_callback(PrinterCallback)
        trainer.train()


def _optimizer(model: Any, leg: Leg, freeze: Freeze, rate: float, decay: float) -> torch.optim.Optimizer:
    """Return what the Trainer would make, but for a rate that is the layer group's own: the head has another."""
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if name in freeze.owners:
            own = rate * leg.rate_of(freeze.owners[name]), decay if parameter.ndim >= 2 else 0.0
            groups.setdefault(own, []).append(parameter)
    return torch.optim.AdamW(
        [{"params": members, "lr": own, "weight_decay": less} for (own, less), members in groups.items()]
    )


class FrozenTrainer(Trainer):
    """A Trainer that leaves frozen layers in evaluation mode, BatchNorm above all: it is compared at equal quality."""

    freeze: Freeze

    def compute_loss(self, model: Any, *others: Any, **named: Any) -> Any:
        """Return the loss; just before, the parent has put all of the model into training mode."""
        self.freeze.set_train(model)
        return super().compute_loss(model, *others, **named)
