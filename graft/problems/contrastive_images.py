"""Contrastive learning: tell the two views of an unlabelled image from those of others (SimCLR, Chen et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from graft.problems.examples import Examples
from graft.problems.networks import PROJECTION_SIZE
from graft.problems.pixels import normalise
from graft.problems.problem import Batch
from graft.problems.unlabelled_images import UnlabelledImages

if TYPE_CHECKING:
    import torch
    from torchvision.transforms import v2

TEMPERATURE = 0.5  # best of the paper's for small images and batches of a few hundred (appendix B.7, B.9)
STRENGTH = 0.5  # of the colours' distortion, for small images (appendix B.9)
BLURRED = 64  # pixels of a side from which on views are blurred: the paper blurs no small images


class ContrastiveImages(UnlabelledImages):
    """Images in, a projection of each out in which two views of it are alike; pretrains any image network."""

    name = "contrastive-images"
    auto_model = "AutoModelForProjection"
    separable = False  # each row is held against all others

    def head(self, processor: Any) -> Mapping[str, Any]:
        """Return how many numbers a projection has."""
        return {"projection_size": PROJECTION_SIZE}

    def collate(
        self, examples: Examples, rows: Sequence[int], processor: Any, generator: torch.Generator, training: bool
    ) -> Batch:
        """Return `pixel_values` (rows, 2, channels, height, width), two views of each image, normalised.

        `labels` (rows,) are the places of the rows in the batch: the view that each view belongs with.
        """
        import torch

        pixels = draw_views(torch.from_numpy(examples.stack(rows)), generator)
        views = normalise(pixels.flatten(0, 1).float(), processor).reshape(pixels.shape)
        return {"pixel_values": views, "labels": torch.arange(len(rows))}

    def loss(self, logits: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
        """Return the mean NT-Xent of all views in nats (section 2, equation 1); nothing is smoothed."""
        return contrast(logits).mean()

    def answer(self, logits: torch.Tensor, labels: torch.Tensor | None) -> torch.Tensor:
        """Return nats and number of each row's two views, (rows, 2), held against the other rows of the batch."""
        import torch

        nats = contrast(logits).sum(dim=1)
        return torch.stack([nats, torch.full_like(nats, 2)], dim=1)


def draw_views(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return two views of each image, uint8 (rows, 2, channels, height, width), drawn by the generator alone.

    Cut out and resized, mirrored, other colours, sometimes none, and blurred where the image is large (appendix A).
    """
    import torch

    distort = _distortions(*images.shape[2:])
    seed = int(torch.randint(2**62, (1,), generator=generator))
    with torch.random.fork_rng(devices=[]):  # torchvision draws from torch's global state
        torch.manual_seed(seed)
        return torch.stack([torch.stack([distort(image), distort(image)]) for image in images])


def contrast(projections: torch.Tensor) -> torch.Tensor:
    """Return NT-Xent of every view in nats, (rows, 2), of projections (rows, 2, numbers)."""
    import torch
    from torch.nn.functional import cross_entropy, normalize

    rows = len(projections)
    views = normalize(projections.float().transpose(0, 1).flatten(0, 1), dim=1)  # all first views, then all second ones
    alike = views @ views.T / TEMPERATURE
    alike.fill_diagonal_(float("-inf"))
    partner = torch.arange(2 * rows, device=views.device).roll(rows)
    nats = cross_entropy(alike, partner, reduction="none")
    return nats.reshape(2, rows).T


@lru_cache(maxsize=4)
def _distortions(height: int, width: int) -> v2.Compose:
    from torchvision.transforms import v2

    colours = v2.ColorJitter(0.8 * STRENGTH, 0.8 * STRENGTH, 0.8 * STRENGTH, 0.2 * STRENGTH)
    steps = [
        v2.RandomResizedCrop((height, width), antialias=True),
        v2.RandomHorizontalFlip(),
        v2.RandomApply([colours], p=0.8),
        v2.RandomGrayscale(p=0.2),
    ]
    if min(height, width) >= BLURRED:
        kernel = min(height, width) // 20 * 2 + 1  # a tenth of the side, odd
        steps.append(v2.RandomApply([v2.GaussianBlur(kernel, (0.1, 2.0))], p=0.5))
    return v2.Compose(steps)
