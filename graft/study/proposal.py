"""Which one block to train: where gradients are large against the weights (Lee et al. 2023, section 4, Auto-RGN)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from graft.backbones import layer_groups, renew_head
from graft.problems.examples import Examples
from graft.training.batches import generator, rows_of_step

if TYPE_CHECKING:
    from graft.study.trial import Bench

PASSES = 5  # heads drawn at random, each met by another batch


def propose_block(bench: Bench, examples: Examples) -> tuple[str, Mapping[str, float]]:
    """Return the name of the block with the largest relative gradient norm, and the norm of every block.

    The norm of a block is the mean over its parameters of |gradient| / |weight|, from the source's weights, on
    batches of the labelled budget. The paper has the source's head; a new task has none, so the gradients are means
    over random heads.
    """
    norms: dict[str, float] = {}
    for turn in range(PASSES):
        model = renew_head(bench.source, bench.problem, bench.labels, turn).eval()
        rows = rows_of_step(turn, len(examples), bench.study.batch_size, 0)
        batch = bench.problem.collate(examples, rows, bench.processor, generator(0, turn), training=False)
        labels = batch.pop("labels")
        torch.autograd.backward(bench.problem.loss(bench.problem.read(model(**batch)), labels, 0.0))
        for name, norm in _relative_norms(model).items():
            norms[name] = norms.get(name, 0.0) + norm / PASSES
    return max(norms, key=lambda name: norms[name]), norms


def _relative_norms(model: Any) -> dict[str, float]:
    """Return the mean relative gradient norm of every block; parameters that are zero have no such norm."""
    found = {}
    for block in layer_groups(model)[1:-1]:
        ratios = [
            float(parameter.grad.norm() / size)
            for name, parameter in model.named_parameters()
            if block.owns(name)
            and parameter.grad is not None
            and (size := torch.linalg.vector_norm(parameter.detach())) > 0
        ]
        found[block.name] = sum(ratios) / len(ratios) if ratios else 0.0
    return found
