"""The order of the rows: drawn from seed and epoch alone, so that any step can be found again.

Rows of different lengths are padded, and to which width can decide the last bits of what a network computes (see
`prefix`). So a row has one width for good: that of its bucket, rows of about its length. A batch holds rows of one
bucket, which also saves the work on padding. Rows without widths, such as images, are one bucket.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

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
    known, counts = (np.array([0]), np.array([rows])) if widths is None else np.unique(widths, return_counts=True)
    batches = [-(-int(count) // batch_size) for count in counts]
    epoch, index = divmod(step, sum(batches))
    if len(known) == 1 or widths is None:
        order = torch.randperm(rows, generator=generator(seed, epoch))
        return [int(row) for row in order.tensor_split(batches[0])[index]]
    drawn = int(torch.randperm(sum(batches), generator=generator(seed, epoch))[index])
    bucket = int(np.searchsorted(np.cumsum(batches), drawn, side="right"))
    members = np.flatnonzero(widths == known[bucket])
    order = torch.randperm(len(members), generator=generator(seed, epoch, int(known[bucket])))
    chosen = order.tensor_split(batches[bucket])[drawn - sum(batches[:bucket])]
    return [int(row) for row in members[chosen.numpy()]]


def batches_in_order(
    rows: Sequence[int], batch_size: int, widths: np.ndarray | None = None
) -> Iterator[tuple[int, list[int]]]:
    """Yield the width (0 without widths) and the rows of batches that cover `rows` once, bucket by bucket, in order.

    A last row that would be alone joins the batch before it: alone it is computed on other paths.
    """
    members = np.asarray(rows, dtype=np.int64)
    own = np.zeros(len(members), np.int64) if widths is None else widths[members]
    for width in np.unique(own):
        bucket = members[own == width].tolist()
        starts = list(range(0, len(bucket), batch_size))
        if len(starts) > 1 and len(bucket) % batch_size == 1:
            starts.pop()
        for start, end in zip(starts, [*starts[1:], len(bucket)], strict=True):
            yield int(width), bucket[start:end]


def generator(*seeds: int) -> torch.Generator:
    """Return a generator seeded by several numbers; the same on every machine."""
    mixed = 0
    for seed in seeds:
        mixed = (mixed * 1_000_003 + seed + 0x9E3779B9) % (2**63)
    return torch.Generator().manual_seed(mixed)
