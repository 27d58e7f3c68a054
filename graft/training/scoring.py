"""A trained model on rows it does not learn from: answers and metrics, deterministic."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from graft.problems.examples import Examples
from graft.problems.problem import Problem
from graft.training.batches import batches_in_order, generator, paired
from graft.training.device import use_threads
from graft.training.player import Player
from graft.training.replay import uncovered

BATCH = 256
MOST_LOGITS = 2**28  # of a batch, 1 GiB: a language model gives one for each token and each entry of its vocabulary


def predict(model: Any, problem: Problem, examples: Examples, processor: Any) -> np.ndarray:
    """Return what the model answers, (rows, numbers) as float32: see `Problem.answer`."""
    parts = [(items, answers) for items, answers, _, _ in _forward(model, problem, examples, processor)]
    return _by_row(problem, examples, parts)


def score(
    model: Any, problem: Problem, examples: Examples, processor: Any, player: Player | None = None
) -> dict[str, float]:
    """Return `loss` and every metric of the problem."""
    return evaluate(model, problem, examples, processor, player)[0]


def evaluate(
    model: Any, problem: Problem, examples: Examples, processor: Any, player: Player | None = None
) -> tuple[dict[str, float], np.ndarray]:
    """Return the metrics and the answers.

    `player` answers for the frozen groups of a model in replay (see `Prefix.replay`).
    """
    collected, total, weight = [], 0.0, 0
    for rows, answers, loss, count in _forward(model, problem, examples, processor, player):
        total, weight = total + loss * count, weight + count
        collected.append((rows, answers))
    kept = _by_row(problem, examples, collected)
    metrics = {} if examples.expected is None and problem.truths else problem.measure(kept, examples.expected)
    return {**metrics, "loss": total / max(weight, 1)}, kept


@torch.no_grad()
def _forward(
    model: Any, problem: Problem, examples: Examples, processor: Any, player: Player | None = None
) -> Iterator[tuple[list[int], np.ndarray, float, int]]:
    """Yield items, their answers, their mean loss and how many predictions it is the mean of, width by width."""
    use_threads(model)
    was_training = model.training
    modes = {name: module.training for name, module in model.named_modules()}
    device = next(model.parameters()).device
    model.eval()
    try:
        most = _most_rows(model, problem, examples)
        for _, rows in batches_in_order(range(len(examples)), most, examples.widths):
            run = paired(rows, examples.widths)
            batch = problem.collate(examples, run, processor, generator(rows[0]), training=False)
            labels = batch.pop("labels", None)
            if player is not None:
                player(examples.numbers(run))
            output = model(**{name: value.to(device) for name, value in batch.items()})
            logits = problem.read(output).float().cpu()
            logits, labels = logits[: len(rows)], None if labels is None else labels[: len(rows)]
            loss, count = (0.0, 0) if labels is None else (problem.loss(logits, labels, 0.0), problem.weigh(labels))
            if problem.generates:
                with uncovered(model):  # what is written was never recorded
                    answers = problem.generate(model, output, processor)[: len(rows)].float().cpu()
            else:
                answers = problem.answer(logits, labels)
            yield rows, answers.numpy(), float(loss), count
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


def _by_row(problem: Problem, examples: Examples, parts: list[tuple[list[int], np.ndarray]]) -> np.ndarray:
    order = np.argsort(np.concatenate([items for items, _ in parts]), kind="stable")
    answers = join([answers for _, answers in parts])[order]
    return answers if examples.rows is None else problem.join(answers, examples.rows)


def join(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Return the answers of all parts, (rows, numbers), those of fewer numbers filled up with NaN."""
    most = max(answers.shape[1] for answers in parts)
    filled = [np.pad(answers, ((0, 0), (0, most - answers.shape[1])), constant_values=np.nan) for answers in parts]
    whole: np.ndarray = np.concatenate(filled)
    return whole
