"""kNN: how many rows have the label of their nearest neighbours."""

import numpy as np

from graft.transferability.sample import Sample
from graft.transferability.score import Score

NEIGHBOURS = 5


def _measure(sample: Sample) -> float:
    """Return the share of rows whose neighbours, without the row itself, vote for its label.

    Euclidean distance, 5 neighbours, but never more than the other rows of the smallest class of two or more.
    A nearer neighbour wins a tie.
    """
    from sklearn.neighbors import NearestNeighbors

    count = min(NEIGHBOURS, int(sample.counts[sample.counts > 1].min()) - 1)
    search = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(sample.centred)
    near = search.kneighbors(return_distance=False)  # without an argument a row is not its own neighbour
    weight = 1 + 0.5 ** np.arange(
        1, count + 1
    )  # all that is added is less than a vote, and each part outweighs the rest
    votes = (sample.members[near] * weight[None, :, None]).sum(axis=1)
    return float((votes.argmax(axis=1) == sample.classes).mean())


KNN = Score(
    name="knn",
    title="leave-one-out accuracy of the 5 nearest neighbours",
    citation="Renggli et al. 2022, Which Model to Transfer? Finding the Needle in the Growing Haystack",
    values="0 to 1",
    needs="features",
    undefined="",
    measure=_measure,
)
