"""The area under the receiver operating characteristic, of all rows together and of any weights of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from graft.problems.pooled import Shown


def log_odds(logits: np.ndarray) -> npt.NDArray[np.float64]:
    """Return the log odds of each class against all others, (rows, classes), of logits of the same shape.

    In the order of the probabilities of a softmax, but without the ties where these are rounded to 0 or 1.
    """
    import numpy as np
    from scipy.special import logsumexp

    values = np.asarray(logits, dtype=np.float64)
    others = np.stack([logsumexp(np.delete(values, place, axis=1), axis=1) for place in range(values.shape[1])], axis=1)
    return np.asarray(values - others)


def mean_auroc(shown: Shown, counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the mean area under the ROC curves of several labels in every draw (draws,).

    `shown` are for each row its scores and truths, (2, labels), the truths 1 or 0; `counts` (draws, rows) say how often
    each row is there. A label that no row has, or every row, has no curve and is left out; NaN where none has one.
    """
    import numpy as np

    rows = np.stack([*shown])
    areas = np.stack([area(rows[:, 0, label], rows[:, 1, label], counts) for label in range(rows.shape[2])])
    there = np.isfinite(areas)
    total = np.where(there, areas, 0.0).sum(axis=0)
    found: npt.NDArray[np.float64] = np.divide(
        total, there.sum(axis=0), out=np.full(len(counts), np.nan), where=there.any(axis=0)
    )
    return found


def area(
    scores: npt.NDArray[np.float64], truths: npt.NDArray[np.float64], counts: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return how often a true row is above a false one, ties half, in every draw (draws,); NaN without either.

    That share of pairs is the area under the curve (Hanley and McNeil 1982). A row that is drawn twice is in twice as
    many pairs.
    """
    import numpy as np

    hits, misses = (np.flatnonzero(side) for side in (truths > 0, truths <= 0))
    misses = misses[np.argsort(scores[misses], kind="stable")]
    below = np.zeros((len(counts), len(misses) + 1))
    np.cumsum(counts[:, misses], axis=1, out=below[:, 1:])
    least, most = (np.searchsorted(scores[misses], scores[hits], side=side) for side in ("left", "right"))
    won = np.einsum("dh,dh->d", counts[:, hits], below[:, least] + below[:, most]) / 2
    pairs = counts[:, hits].sum(axis=1) * below[:, -1]
    found: npt.NDArray[np.float64] = np.divide(won, pairs, out=np.full(len(counts), np.nan), where=pairs > 0)
    return found
