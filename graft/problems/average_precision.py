"""Mean average precision as COCO has it, of any weights of the images.

What pycocotools does at one image (matching) is done once; what it does over all images is done for every draw of them
at once: detections in the order of their scores, the precision at 101 recalls, the mean over classes and ten overlaps
(Lin et al. 2014; cocoapi, `COCOeval.evaluateImg` and `COCOeval.accumulate`).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from graft.problems.pooled import Pooled

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from graft.problems.pooled import Metric, Shown

    Numbers = npt.NDArray[np.float64]

OVERLAPS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""Intersections over union from which on a detection is right."""
RECALLS = 101
AT_ONCE = 2**22  # draws times detections that are in memory together
CLASS, SCORE, MATCHED = 0, 1, slice(2, None)
"""Of the numbers that a row shows of each detection; one that is there in truth has the score `TRUE`."""
TRUE = 2.0
HIT, MISS, IGNORED = 1.0, 0.0, -1.0
"""Of a detection at one overlap; an ignored one is neither right nor wrong."""
COUNTED, CROWD, DIFFICULT = 0, 1, 2
"""Of a true box; the others ask for no detection, and one of them is not wrong. A crowd holds any number of objects."""


def show(found: Numbers, truth: Numbers) -> Numbers:
    """Return what an image shows, (detections + counted boxes, 2 + overlaps), see `CLASS`, `SCORE` and `MATCHED`.

    `found` are detections (detections, 6): class, score, left, top, right, bottom. `truth` are boxes (boxes, 6): class,
    left, top, right, bottom, and whether it counts (`COUNTED`, `CROWD` or `DIFFICULT`).
    """
    import numpy as np

    lines = np.zeros((len(found), 2 + len(OVERLAPS)))
    lines[:, [CLASS, SCORE]] = found[:, :2]
    for kind in np.unique(found[:, 0]):
        mine = np.flatnonzero(found[:, 0] == kind)
        mine = mine[np.argsort(-found[mine, 1], kind="stable")]
        lines[mine, MATCHED] = match(found[mine, 2:], truth[truth[:, 0] == kind])
    counted = truth[truth[:, 5] == COUNTED]
    there = np.zeros((len(counted), lines.shape[1]))
    there[:, CLASS], there[:, SCORE] = counted[:, 0], TRUE
    return np.concatenate([lines, there])


def match(found: Numbers, truth: Numbers) -> Numbers:
    """Return which of the detections of a class, (detections, 4) and best first, are right: see `assign`."""
    return assign(found, truth)[0]


def assign(found: Numbers, truth: Numbers) -> tuple[Numbers, npt.NDArray[np.int64]]:
    """Return whether each detection of a class is right, and the place of its box or -1, both (detections, overlaps).

    Each takes the box that it overlaps most among those that nobody before it took; what overlaps none that counts
    enough may overlap one that does not, and is then ignored.
    """
    import numpy as np

    least, result = np.minimum(OVERLAPS, 1 - 1e-10), np.full((len(found), len(OVERLAPS)), MISS)
    places = np.full(result.shape, -1)
    if not len(truth):
        return result, places
    shares = overlap(found, truth[:, 1:5], truth[:, 5] == CROWD)
    counts = truth[:, 5] == COUNTED
    free = np.ones((len(OVERLAPS), len(truth)), dtype=bool)
    for place in np.flatnonzero((shares >= least[0]).any(axis=1)):
        enough = (shares[place] >= least[:, None]) & free
        for among, value in ((counts, HIT), (~counts, IGNORED)):
            fit = np.where(enough & among, shares[place], -1.0)
            best = fit.shape[1] - 1 - fit[:, ::-1].argmax(axis=1)  # of equal ones the last, as pycocotools
            taken = np.flatnonzero((fit.max(axis=1) > 0) & (result[place] == MISS))
            result[place, taken], places[place, taken] = value, best[taken]
            if value == HIT:
                free[taken, best[taken]] = False
    return result, places


def overlap(found: Numbers, truth: Numbers, crowd: npt.NDArray[np.bool_]) -> Numbers:
    """Return the intersection over union of boxes (found, truth); of a crowd it is over the detection alone."""
    import numpy as np

    low, high = (pick(found[:, None, side], truth[None, :, side])
                 for pick, side in ((np.maximum, slice(0, 2)), (np.minimum, slice(2, 4))))  # fmt: skip
    both = np.clip(high - low, 0, None).prod(axis=2)
    mine, theirs = ((boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (found, truth))
    whole = mine[:, None] + np.where(crowd, 0, theirs - both)
    return np.asarray(np.divide(both, whole, out=np.zeros_like(both), where=whole > 0))


def average_precision(shown: Shown, counts: Numbers, overlaps: slice = slice(None)) -> Numbers:
    """Return the mean over classes and overlaps of the average precision, (draws,), at weights (draws, rows).

    A class counts in the draws in which it has a true box; where none has, the value is 0.
    """
    import numpy as np

    total, there = np.zeros(len(counts)), np.zeros(len(counts))
    for _, values, known in by_class(shown, counts, overlaps):
        total, there = total + np.where(known, values, 0.0), there + known
    return np.asarray(total / np.maximum(there, 1))


def by_class(
    shown: Shown, counts: Numbers, overlaps: slice = slice(None)
) -> Iterator[tuple[int, Numbers, npt.NDArray[np.bool_]]]:
    """Yield each class with its average precision in every draw, (draws,), and in which draws it has a true box."""
    import numpy as np

    lines, rows = np.concatenate(shown), np.repeat(np.arange(len(shown)), [len(one) for one in shown])
    true = lines[:, SCORE] == TRUE
    for kind in np.unique(lines[true, CLASS]):
        mine = lines[:, CLASS] == kind
        boxes = counts @ np.bincount(rows[mine & true], minlength=counts.shape[1])
        found = np.flatnonzero(mine & ~true)
        found = found[np.argsort(-lines[found, SCORE], kind="stable")]
        matched = lines[found, MATCHED][:, overlaps]
        size = max(1, AT_ONCE // max(len(found), 1))
        parts = [_precision(matched, rows[found], counts[start : start + size], boxes[start : start + size])
                 for start in range(0, len(counts), size)]  # fmt: skip
        yield int(kind), np.concatenate(parts), boxes > 0


def _precision(matched: Numbers, rows: npt.NDArray[np.int64], counts: Numbers, boxes: Numbers) -> Numbers:
    """Return the mean over overlaps of the mean over recalls of the precision, (draws,).

    At a recall it is the largest precision at that recall or a higher one. It can only be that at a hit, so that only
    hits are looked at: each gives its precision to the recalls that it is the first to reach.
    """
    import numpy as np

    drawn, total = counts[:, rows], np.zeros(len(counts))
    plain = np.cumsum(drawn, axis=1)
    for column in matched.T:
        hits = np.flatnonzero(column == HIT)
        if not len(hits):
            continue
        right = np.cumsum(drawn[:, hits], axis=1)
        counted = plain if (column != IGNORED).all() else np.cumsum(drawn * (column != IGNORED), axis=1)
        precision = right / np.maximum(counted[:, hits], np.finfo(float).tiny)
        best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        total += (best * np.diff(_reached(right, boxes), axis=1, prepend=0)).sum(axis=1)
    return np.asarray(total / (RECALLS * matched.shape[1]))


def _reached(right: Numbers, boxes: Numbers) -> Numbers:
    """Return how many of the recalls 0, 0.01 .. 1 are reached with so many of so many boxes right."""
    import numpy as np

    recall = right / np.maximum(boxes, np.finfo(float).tiny)[:, None]
    reached = np.searchsorted(np.linspace(0.0, 1.0, RECALLS), recall.ravel(), side="right")
    return np.asarray(reached.reshape(recall.shape), dtype=np.float64)


def grade(shown: Shown) -> Pooled:
    """Return the grades of one model's detections; see `show`."""
    return Pooled.of_rows(average_precision, shown)


def at(overlap: float) -> Metric:
    """Return the mean over classes of the average precision at one overlap."""
    place = OVERLAPS.index(overlap)
    return partial(average_precision, overlaps=slice(place, place + 1))
