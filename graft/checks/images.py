"""What is looked at in images, and what is expected of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from graft.checks.rule import Rule
from graft.reading import convert_image, hash_image, open_image

if TYPE_CHECKING:
    from PIL.Image import Image

    from graft.catalog import Checks

FEATURES = ("hash", "width", "height", "mode", "mean", "deviation", "perceptual")


def describe_image(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Return size, mode, mean and deviation of the grey values (0 to 255), and both hashes of an image.

    Raises DataError for one that cannot be read.
    """
    image = open_image(cell)
    grey = np.asarray(convert_image(image, "L"), dtype=np.float64)
    return {
        "hash": hash_image(image),
        "width": image.width,
        "height": image.height,
        "mode": image.mode,
        "mean": round(float(grey.mean()), 3),
        "deviation": round(float(grey.std()), 3),
        "perceptual": _perceptual(image),
        "what": f"{image.width}x{image.height}, {image.mode}",
    }


def image_rules(checks: Checks) -> list[Rule]:
    """Return what is expected of images."""
    return [
        Rule("decodable", "Every image can be read", "rows", "decodable", "error", low=1),
        Rule(
            "near-duplicates",
            "Share of images that look like another one",
            "facts",
            "near_duplicate_share",
            "warning",
            high=checks.max_near_duplicate_share,
        ),
        Rule("blank", "No image is of one colour", "rows", "deviation", "warning", low=0, above=True),
        *(
            Rule(
                side,
                f"The {side} of every image in pixels",
                "rows",
                side,
                "warning",
                low=checks.min_image_side,
                high=checks.max_image_side,
            )
            for side in ("width", "height")
        ),
    ]


def _perceptual(image: Image) -> str:
    """Return the 64-bit DCT hash of an image (Zauner 2010, section 3.2.1); equal for images that look alike."""
    import imagehash

    return str(imagehash.phash(image))
