"""Rows that went through their processor once, and the batches that the loop makes of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

from bench import rows
from graft.catalog import Pretraining
from graft.problems import PROBLEMS, Problem
from graft.problems.examples import Examples
from graft.problems.problem import Batch
from graft.reading import open_image
from graft.training.batches import generator, group_by_length, rows_of_step, steps_per_epoch

BATCH = 32
MAX_TOKENS = 128
SEED = 0


@dataclass(frozen=True)
class Loaded:
    """Rows that went through the processor once."""

    problem: Problem
    processor: Any
    examples: Examples
    classes: int
    name: str
    """Which rows these are."""

    def order(self, epoch: int = 0) -> Iterator[list[int]]:
        """Yield the rows of each batch of an epoch, as the loop draws them."""
        count, widths = len(self.examples), self.examples.widths
        steps = steps_per_epoch(count, BATCH, widths)
        return (rows_of_step(epoch * steps + step, count, BATCH, SEED, widths) for step in range(steps))

    def batches(self, epoch: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch, as the loop makes them."""
        for step, places in enumerate(self.order(epoch)):
            yield self.problem.collate(self.examples, places, self.processor, generator(SEED, step), training=True)

    def grouped(self) -> Self:
        """Return the same texts, batched by length."""
        return replace(self, examples=group_by_length(self.examples, BATCH))

    def first(self, count: int) -> Self:
        """Return the first rows of these."""
        if count >= len(self.examples):
            return self
        labels = self.examples.labels
        kept = Examples(self.examples.features[:count], None if labels is None else labels[:count])
        return replace(self, examples=kept, name=f"the first {count:,} of {self.name}")


def load_images(count: int) -> Loaded:
    """Return up to `count` images."""
    problem, found = PROBLEMS["image-classification"], rows.images(count)
    first = open_image(found.table["image"][0].as_py())
    config = {"num_channels": 1 if first.mode == "L" else 3}
    processor = problem.make_processor(found.table, config, Pretraining(image_size=first.height))
    return Loaded(problem, processor, problem.encode(found.table, processor), found.classes, str(found))


def load_texts(count: int) -> Loaded:
    """Return up to `count` sentences."""
    problem, found = PROBLEMS["text-classification"], rows.texts(count)
    processor = problem.make_processor(found.table, {}, Pretraining(max_tokens=MAX_TOKENS))
    return Loaded(problem, processor, problem.encode(found.table, processor), found.classes, str(found))
