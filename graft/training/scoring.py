"""A trained model on rows it does not learn from: logits and metrics, deterministic."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from graft.problems.problem import Examples, Problem
from graft.training.batches import batches_in_order, generator
from graft.training.device import use_threads
from graft.training.player import Player

BATCH = 256
MOST_LOGITS = 2**28  # of a batch, 1 GiB: a language model gives one for each token and each entry of its vocabulary


def predict(model: Any, problem: Problem, examples: Examples, processor: Any) -> np.ndarray:
    """Return the logits (rows, classes) as float32."""
    parts = [(rows, logits) for rows, logits, _, _ in _forward(model, problem, examples, processor)]
    return _in_row_order(parts)


def score(
    model: Any, problem: Problem, examples: Examples, processor: Any, player: Player | None = None
) -> dict[str, float]:
    """Return `loss` and every metric of the problem."""
    return evaluate(model, problem, examples, processor, player)[0]


def evaluate(
    model: Any, problem: Problem, examples: Examples, processor: Any, player: Player | None = None
) -> tuple[dict[str, float], np.ndarray]:
    """Return the metrics and the logits; the logits are empty where the loss is the metric.

    Where the examples know how many bytes their tokens stand for, `perplexity` (of a token) and `bits_per_byte` (Gao et
    al. 2020, section 3.1) are among the metrics: the second compares language models of different tokenizers.

    `player` answers for the frozen groups of a model in replay (see `Prefix.replay`).
    """
    collected, total, weight = [], 0.0, 0
    for rows, logits, loss, count in _forward(model, problem, examples, processor, player):
        total, weight = total + loss * count, weight + count
        if problem.metric != "loss":  # a language model's logits are rows x tokens x vocabulary: never kept
            collected.append((rows, logits))
    kept = _in_row_order(collected) if collected else np.empty((0, 0), np.float32)
    metrics = {} if examples.labels is None else problem.measure(kept, examples.labels)
    if examples.bytes:
        bits = total / math.log(2)
        metrics |= {"perplexity": math.exp(total / max(weight, 1)), "bits_per_byte": bits / examples.bytes}
    return {"loss": total / max(weight, 1), **metrics}, kept


@torch.no_grad()
def _forward(
    model: Any, problem: Problem, examples: Examples, processor: Any, player: Player | None = None
) -> Iterator[tuple[list[int], np.ndarray, float, int]]:
    """Yield rows, their logits, their mean loss and how many predictions it is the mean of, width by width."""
    use_threads(model)
    was_training = model.training
    modes = {name: module.training for name, module in model.named_modules()}
    device = next(model.parameters()).device
    model.eval()
    try:
        most = _most_rows(model, problem, examples)
        for _, rows in batches_in_order(range(len(examples)), most, examples.widths):
            batch = problem.collate(examples, rows, processor, generator(rows[0]), training=False)
            labels = batch.pop("labels", None)
            if player is not None:
                player(examples.numbers(rows))
            logits = model(**{name: value.to(device) for name, value in batch.items()}).logits.float().cpu()
            loss, count = (0.0, 0) if labels is None else (problem.loss(logits, labels, 0.0), problem.weigh(labels))
            yield rows, logits.numpy(), float(loss), count
    finally:
        if was_training:  # frozen parts were in evaluation mode and must stay there
            for name, module in model.named_modules():
                module.training = modes[name]


def _most_rows(model: Any, problem: Problem, examples: Examples) -> int:
    """Return how many rows are computed together at the most: fewer where every token has logits of its own."""
    if problem.metric != "loss" or not len(examples):
        return BATCH
    longest = max(len(tokens) for tokens in examples.features)
    return max(1, min(BATCH, MOST_LOGITS // (longest * int(getattr(model.config, "vocab_size", 1)))))


def _in_row_order(parts: list[tuple[list[int], np.ndarray]]) -> np.ndarray:
    order = np.argsort(np.concatenate([rows for rows, _ in parts]), kind="stable")
    logits: np.ndarray = np.concatenate([logits for _, logits in parts])[order]
    return logits
