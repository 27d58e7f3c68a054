"""Images compared by a registered model: each with one other, or with all of a gallery."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graft.errors import BadInput
from graft.problems.pairs import RATES

if TYPE_CHECKING:
    from PIL.Image import Image

    from graft.reading import Medium
    from graft.registry.package import Model, Package

BEST = 5  # matches of a gallery that are told


def gallery_files(gallery: Path, medium: Medium) -> list[str]:
    """Return the files of a gallery, at any depth; raises BadInput for a folder that has none."""
    found = sorted(str(path) for path in gallery.rglob("*") if path.is_file() and medium.is_file(path))
    if not found:
        what = f"a folder without {medium.nouns}" if gallery.is_dir() else "no such folder"
        raise BadInput(f"--gallery {gallery}: {what}", advice=f"Expected a folder that holds {medium.nouns}.")
    return found


def thresholds_of(package: Package) -> Mapping[str, float]:
    """Return the similarity to accept from, by false accept rate, of those that the package knows."""
    metrics = package.facts.get("metrics", {})
    known = {rate: metrics.get(f"threshold_{rate}") for rate in RATES}
    return {rate: float(least) for rate, least in known.items() if least is not None}


def compare_with(
    model: Model, package: Package, inputs: Sequence[bytes], others: Sequence[bytes], names: Sequence[str], best: bool
) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield for each input what is said of it, and the place of the most similar one among the others.

    With `best` these are a gallery, and the most similar ones are told by their `names`.
    """
    from graft.reading import MEDIA

    medium, least = MEDIA[model.problem.modality], thresholds_of(package)
    embeddings = model.answers(medium.table([*inputs, *others])).astype(np.float64)
    similarities = embeddings[: len(inputs)] @ embeddings[len(inputs) :].T
    for row in similarities:
        order = np.argsort(-row, kind="stable")
        top = int(order[0])
        facts: dict[str, Any] = {"match": names[top]} if best else {"with": names[top]}
        facts |= {"similarity": round(float(row[top]), 4)}
        facts |= {f"same_at_far_{rate}": bool(row[top] >= one) for rate, one in least.items()}
        if best:
            facts["matches"] = [{"file": names[at], "similarity": round(float(row[at]), 4)} for at in order[:BEST]]
        yield facts, top


def draw_pair(one: bytes, other: bytes, medium: Medium) -> Image:
    """Return both images side by side."""
    from graft.problems.overlays import side_by_side

    return side_by_side(*(medium.open({"bytes": each, "path": None}) for each in (one, other)))
