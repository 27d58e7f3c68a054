"""Trials that could be fused: one strategy on one network, each trial with a fold and a learning rate."""

import copy
import dataclasses
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.loaded import SEED, Loaded, load_images, load_texts
from bench.sources import BERT, RESNET
from bench.stacked import Top, Work, rates_of
from graft.backbones import build, layer_groups
from graft.catalog import Study
from graft.problems.examples import Examples
from graft.problems.problem import Batch
from graft.strategies import find_strategy, resolve
from graft.training import Activations, Feed, Job, record, train
from graft.training.batches import group_by_length
from graft.training.device import make_accelerator, use_threads
from graft.training.replay import untouched

ROWS, FOLDS, RATES, BUDGET_BYTES = 240, 3, (1e-3, 3e-4, 3e-3), 10**9
RECIPE = Study()
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def load_rows(name: str) -> Loaded:
    """Return rows for a ResNet or a BERT, all of one shape."""
    return load_images(ROWS) if name == "ResNet" else of_one_width(load_texts(8 * ROWS))


def of_one_width(loaded: Loaded) -> Loaded:
    """Return the texts of the commonest width: trials whose batches are padded differently do not stack."""
    grouped = group_by_length(loaded.examples, RECIPE.batch_size)
    assert grouped.widths is not None
    widths, counts = np.unique(grouped.widths, return_counts=True)
    kept = grouped.take(np.flatnonzero(grouped.widths == widths[counts.argmax()])[:ROWS])
    name = f"{len(kept)} texts of one width among {loaded.name}"
    return dataclasses.replace(loaded, examples=Examples(kept.features, kept.labels, kept.widths), name=name)


class Trials:
    """The trials of one strategy on one network, and what its frozen layers return."""

    def __init__(self, rows: Loaded, name: str, blocks: int, steps: int) -> None:
        self.rows, self.name, self.blocks, self._steps = rows, name, blocks, steps
        config = dict(RESNET) if name == "ResNet" else BERT | NO_DROPOUT | _vocabulary(rows)
        self._network = build(rows.problem, config, tuple(map(str, range(rows.classes))), SEED)
        use_threads(self._network)
        groups = [group.name for group in layer_groups(self._network)]
        strategy = find_strategy(f"top-{blocks}" if blocks else "linear-probe")
        (self._leg,) = resolve(strategy, groups, steps)
        accelerator = make_accelerator()
        feed = Feed.of(rows.problem, rows.examples, rows.processor, accelerator.device)
        room, frozen = Activations(BUDGET_BYTES, accelerator.device), len(groups) - 1 - blocks
        model = accelerator.prepare(copy.deepcopy(self._network))
        self._prefix = record(model, feed, [frozen], room, RECIPE.batch_size, accelerator.autocast)
        self._top = top_of(self._network, blocks)
        self._inputs = hear(self._network, self._top, feed.inputs(range(len(feed))))
        self._rates = rates_of(self._network, self._top, self._leg)

    def work(self, rates: Sequence[float]) -> Work:
        """Return every fold at every learning rate."""
        labels = torch.tensor(self.rows.examples.labels)
        rows = np.arange(len(labels) // FOLDS * FOLDS)
        cells = list(product(rates, [rows[rows % FOLDS != fold] for fold in range(FOLDS)]))
        return Work(
            top=self._top, rates=self._rates, inputs=self._inputs, labels=labels,
            folds=torch.from_numpy(np.stack([fold for _, fold in cells])),
            learning_rates=tuple(rate for rate, _ in cells),
            loss=self.rows.problem.loss, recipe=RECIPE, steps=self._steps, seed=SEED,
        )  # fmt: skip

    def train(self, work: Work) -> list[list[float]]:
        """Return the losses of each trial by the project's own loop, with the prefix cache."""
        return [self._train(rows, rate) for rows, rate in zip(work.folds, work.learning_rates, strict=True)]

    def _train(self, rows: torch.Tensor, rate: float) -> list[float]:
        with tempfile.TemporaryDirectory() as folder:
            job = Job(
                problem=self.rows.problem, processor=self.rows.processor, train=self.rows.examples.take(rows.numpy()),
                validation=None, legs=(self._leg,), learning_rate=rate, recipe=RECIPE, seed=SEED, measure_every=1,
                patience=None, folder=Path(folder), prefix=self._prefix,
            )  # fmt: skip
            found = train(job, copy.deepcopy(self._network), lambda step, message: None)
        return [float(row["train_loss"] or torch.nan) for row in found.curve]


def _vocabulary(rows: Loaded) -> dict[str, int]:
    return {"vocab_size": len(rows.processor), "pad_token_id": rows.processor.pad_token_id}


def top_of(network: Any, blocks: int) -> Top:
    """Return the head of a ResNet or a BERT with the last blocks, the network's own modules."""
    if network.config.model_type == "resnet":
        layers, head = network.resnet.encoder.stages, [network.resnet.pooler, network.classifier]
    else:
        layers, head = network.bert.encoder.layer, [network.bert.pooler, network.dropout, network.classifier]
    return Top(list(layers)[len(layers) - blocks :], torch.nn.Sequential(*head))


def hear(network: Any, top: Top, inputs: Batch) -> tuple[torch.Tensor, ...]:
    """Return what the first module of `top` is called with when the network runs on some rows."""
    first = [*top.blocks, *top.head.children()][0]
    calls: list[tuple[Any, ...]] = []
    hook = first.register_forward_pre_hook(lambda _, arguments: calls.append(arguments))
    with untouched(network):
        network(**inputs)
    hook.remove()
    return tuple(one.detach().clone() for one in calls[0] if isinstance(one, torch.Tensor))
