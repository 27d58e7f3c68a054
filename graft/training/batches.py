"""The order of the rows: drawn from seed and epoch alone, so that any step can be found again.

Rows of different lengths are padded, and to which width can decide the last bits of what a network computes (see
`prefix`). So a row has one width for good: that of its bucket, rows of about its length. A batch holds rows of one
bucket, which also saves the work on padding. Rows without widths, such as images, are one bucket.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch

from graft.problems.examples import Examples

AT_ONCE = 2**20
"""Numbers (tokens, samples) of rows that are run together without gradients: six seconds of audio at 16 kHz for ten."""
FEWEST = 16  # rows run together at least, where there are so many: fewer are computed on other paths (see `prefix`)
BATCHES_OF_A_BUCKET = 2  # fewer, and every epoch would put the same rows together


def choose_widths(lengths: Sequence[int], batch_size: int) -> np.ndarray:
    """Return the width of each row's bucket (rows,), at least its length and at most the longest one.

    Widths lie on a grid (steps of 8 up to 64, of 16 up to 128, and so on), so that rows added to a dataset leave the
    widths of the others as they are. From the longest down, a bucket takes in the next shorter step until it holds two
    batches; but rows are never padded to more than twice their step, so a few very long rows stay among themselves.
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    steps = np.maximum(8, 2 ** np.ceil(np.log2(np.maximum(sizes, 1))).astype(np.int64) // 8)
    widths: np.ndarray = np.minimum(-(-sizes // steps) * steps, sizes.max(initial=0))
    enough = BATCHES_OF_A_BUCKET * batch_size
    buckets: list[tuple[int, int, list[int]]] = []  # width, rows, steps
    for step, count in zip(*(side[::-1].tolist() for side in np.unique(widths, return_counts=True)), strict=True):
        width, held, taken = buckets[-1] if buckets else (0, enough, [])
        if held < enough and width <= 2 * step:
            buckets[-1] = (width, held + count, [*taken, step])
        else:
            buckets.append((step, count, [step]))
    if len(buckets) > 1 and buckets[-1][1] < enough and buckets[-2][0] <= 2 * min(buckets[-1][2]):
        (width, held, taken), (_, count, more) = buckets[-2:]
        buckets[-2:] = [(width, held + count, taken + more)]
    for width, _, taken in buckets:
        widths[np.isin(widths, taken)] = width
    return widths


def group_by_length(examples: Examples, batch_size: int) -> Examples:
    """Return texts with the widths that they are batched by; rows of one shape, or with widths, as they are."""
    if examples.widths is not None or any(row.ndim != 1 for row in examples.features[:1]):
        return examples
    return replace(examples, widths=choose_widths([len(tokens) for tokens in examples.features], batch_size))


def steps_per_epoch(rows: int, batch_size: int, widths: np.ndarray | None = None) -> int:
    """Return the number of batches that cover all rows once."""
    if widths is None:
        return -(-rows // batch_size)
    return sum(-(-int(count) // batch_size) for count in np.unique(widths, return_counts=True)[1])


def rows_of_step(step: int, rows: int, batch_size: int, seed: int, widths: np.ndarray | None = None) -> list[int]:
    """Return the rows of a step (from 0): each epoch is a permutation cut into batches of near-equal size.

    Near-equal, because a last batch of one row has no variance for BatchNorm to divide by. With `widths` (rows,) each
    bucket is permuted and cut, and the batches of all buckets come in a drawn order.
    """
    epoch, index = divmod(step, steps_per_epoch(rows, batch_size, widths))
    known = None if widths is None else widths.astype(np.int64).tobytes()
    return _batches_of_epoch(epoch, rows, batch_size, seed, known)[index].tolist()


@lru_cache(maxsize=2)  # every step of an epoch asks for the same order: drawn each time, it cost more than the batch
def _batches_of_epoch(
    epoch: int, rows: int, batch_size: int, seed: int, widths: bytes | None
) -> tuple[torch.Tensor, ...]:
    own = np.zeros(rows, np.int64) if widths is None else np.frombuffer(widths, np.int64)
    buckets = np.unique(own)
    if len(buckets) == 1:
        order = torch.randperm(rows, generator=generator(seed, epoch))
        return order.tensor_split(steps_per_epoch(rows, batch_size))
    batches: list[torch.Tensor] = []
    for width in buckets.tolist():
        members = torch.from_numpy(np.flatnonzero(own == width))
        order = torch.randperm(len(members), generator=generator(seed, epoch, width))
        batches += members[order].tensor_split(steps_per_epoch(len(members), batch_size))
    drawn = torch.randperm(len(batches), generator=generator(seed, epoch))
    return tuple(batches[place] for place in drawn.tolist())


def batches_in_order(
    rows: Sequence[int], batch_size: int, widths: np.ndarray | None = None
) -> Iterator[tuple[int, list[int]]]:
    """Yield the width (0 without widths) and the rows of batches that cover `rows` once, bucket by bucket, in order.

    A last row that would be alone joins the batch before it: alone it is computed on other paths. Of wide rows, such as
    long clips, fewer make a batch.
    """
    members = np.asarray(rows, dtype=np.int64)
    own = np.zeros(len(members), np.int64) if widths is None else widths[members]
    for width in np.unique(own):
        bucket = members[own == width].tolist()
        size = count_at_once(batch_size, int(width))
        starts = list(range(0, len(bucket), size))
        if len(starts) > 1 and len(bucket) % size == 1:
            starts.pop()
        for start, end in zip(starts, [*starts[1:], len(bucket)], strict=True):
            yield int(width), bucket[start:end]


def count_at_once(most: int, width: int) -> int:
    """Return how many rows of a width run together without gradients, so that what they leave in memory stays small."""
    return min(most, max(FEWEST, AT_ONCE // max(width, 1)))


def divide(rows: slice, parts: int) -> list[slice]:
    """Return runs of near-equal length that make up a run of rows, in order; some are empty where there are too few."""
    count = rows.stop - rows.start
    edges = [rows.start + count * part // parts for part in range(parts + 1)]
    return [slice(start, end) for start, end in pairwise(edges)]


def paired(rows: Sequence[int], widths: np.ndarray | None) -> list[int]:
    """Return the rows as they run: a lone row of a bucket twice, which changes no mean.

    Alone it would be computed on other paths (a convolution over one clip does not have the bits of one over two), and
    a cached run would not be the uncached one.
    """
    return [*rows, *rows] if len(rows) == 1 and widths is not None else list(rows)


def generator(*seeds: int) -> torch.Generator:
    """Return a generator seeded by several numbers; the same on every machine."""
    mixed = 0
    for seed in seeds:
        mixed = (mixed * 1_000_003 + seed + 0x9E3779B9) % (2**63)
    return torch.Generator().manual_seed(mixed)
