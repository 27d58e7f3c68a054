"""The additive angular margin loss: rows of one identity come together on a sphere, and the identities apart."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

SCALE, MARGIN = 16.0, 0.3
"""Radius of the sphere, and the angle in radians that a row must be nearer to its own identity. The paper's 64 and 0.5
are for 512 numbers, 85,000 identities and weeks of steps: networks that have a hundred steps do not get into it."""


def arcface(
    cosines: torch.Tensor, targets: torch.Tensor, smoothing: float, scale: float = SCALE, margin: float = MARGIN
) -> torch.Tensor:
    """Return the mean loss in nats of cosines (rows, identities) and the identity of each row (rows,).

    ArcFace (Deng et al. 2019, section 2.2, equation 3): cross-entropy where the angle to the own identity is larger by
    a margin. Beyond pi minus the margin, where a larger angle would lower the loss, the cosine falls on along a line,
    as in the authors' code.
    """
    import torch
    from torch.nn.functional import cross_entropy

    own = cosines.gather(1, targets[:, None]).clamp(-1 + 1e-6, 1 - 1e-6)
    further = torch.where(
        own > math.cos(math.pi - margin), torch.cos(torch.acos(own) + margin), own - margin * math.sin(margin)
    )
    return cross_entropy(scale * cosines.scatter(1, targets[:, None], further), targets, label_smoothing=smoothing)


def against_others(embeddings: torch.Tensor, persons: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return cosines (rows, identities) of rows to the mean of each identity of their batch, and the own one's place.

    A row is no part of the mean that it is held against, and one whose identity has no other row is left out. So
    identities that nothing was learned of have the same loss as those that were: a mean stands where the learned
    direction would (as in GE2E, Wan et al. 2018, section 2.1, equation 8).
    """
    import torch
    from torch.nn.functional import normalize, one_hot

    _, places, sizes = torch.unique(persons, return_inverse=True, return_counts=True)
    member = one_hot(places, len(sizes)).to(embeddings)
    sums = member.T @ embeddings
    cosines = embeddings @ normalize(sums, dim=1).T
    rest = normalize(sums[places] - embeddings, dim=1)
    cosines = cosines.scatter(1, places[:, None], (embeddings * rest).sum(dim=1, keepdim=True))
    kept = sizes[places] > 1
    return cosines[kept], places[kept]
