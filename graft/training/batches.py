"""The order of the rows: drawn from seed and epoch alone, so that any step can be found again."""

from functools import lru_cache

import torch


def steps_per_epoch(rows: int, batch_size: int) -> int:
    """Return the number of batches that cover all rows once."""
    return -(-rows // batch_size)


def rows_of_step(step: int, rows: int, batch_size: int, seed: int) -> list[int]:
    """Return the rows of a step (from 0): each epoch is a permutation cut into batches of near-equal size.

    Near-equal, because a last batch of one row has no variance for BatchNorm to divide by.
    """
    epoch, index = divmod(step, steps_per_epoch(rows, batch_size))
    return _batches_of_epoch(epoch, rows, batch_size, seed)[index].tolist()


@lru_cache(maxsize=2)  # every step of an epoch asks for the same order: drawn each time, it cost more than the batch
def _batches_of_epoch(epoch: int, rows: int, batch_size: int, seed: int) -> tuple[torch.Tensor, ...]:
    order = torch.randperm(rows, generator=generator(seed, epoch))
    return order.tensor_split(steps_per_epoch(rows, batch_size))


def generator(*seeds: int) -> torch.Generator:
    """Return a generator seeded by several numbers; the same on every machine."""
    mixed = 0
    for seed in seeds:
        mixed = (mixed * 1_000_003 + seed + 0x9E3779B9) % (2**63)
    return torch.Generator().manual_seed(mixed)
