"""Masks drawn over images: what was answered as colour, what is true as an outline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

    from graft.reading import Mask

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442")
"""Of classes 1, 2 and so on, told apart by the colour-blind too (Okabe and Ito 2008); class 0 is not coloured."""
OUTLINE, UNDERLAY = (255, 255, 255), (0, 0, 0)
STRENGTH = 0.55
SIDE = 320
"""Pixels of the longer side at the least, so that an outline is thin beside what it surrounds."""


def overlay(image: Image, answered: Mask, truth: Mask | None = None) -> Image:
    """Return the image with every answered class but 0 in its colour, and the borders of the truth in white."""
    import numpy as np
    from PIL import Image as Images

    scale = max(1, -(-SIDE // max(image.size)))
    size = (image.width * scale, image.height * scale)
    pixels = np.asarray(image.convert("RGB").resize(size, Images.Resampling.BILINEAR), dtype=np.float64)
    shown = enlarge(answered, size)
    colour = _palette()[shown]
    mixed = np.where((shown > 0)[:, :, None], (1 - STRENGTH) * pixels + STRENGTH * colour, pixels)
    if truth is not None:
        border = _border(enlarge(truth, size))
        mixed[_thicker(border)] = UNDERLAY
        mixed[border] = OUTLINE
    return Images.fromarray(mixed.round().astype(np.uint8))


def enlarge(mask: Mask, size: tuple[int, int]) -> Mask:
    """Return a mask (height, width) of another width and height, each pixel that of its nearest neighbour."""
    import numpy as np
    from PIL import Image as Images

    from graft.reading import mask_image

    return np.asarray(mask_image(mask).resize(size, Images.Resampling.NEAREST))


def coloured(mask: Mask) -> Image:
    """Return a mask as an image of indices with a palette, so that one sees something when it is opened."""
    import numpy as np

    from graft.reading import mask_image

    image = mask_image(mask)
    image.putpalette(_palette().astype(np.uint8).ravel().tolist())
    return image


def _palette() -> npt.NDArray[np.float64]:
    """Return red, green and blue of every index (256, 3): black for 0, grey for void."""
    import numpy as np

    triples = [tuple(int(colour[place : place + 2], 16) for place in (1, 3, 5)) for colour in COLOURS]
    shades = np.array([triples[(index - 1) % len(triples)] for index in range(1, 255)], dtype=np.float64)
    return np.concatenate([np.zeros((1, 3)), shades, np.full((1, 3), 128.0)])


def _border(mask: Mask) -> npt.NDArray[np.bool_]:
    """Return which pixels have another class on their right or below."""
    import numpy as np

    border = np.zeros(mask.shape, dtype=bool)
    border[:, :-1] |= mask[:, :-1] != mask[:, 1:]
    border[:-1] |= mask[:-1] != mask[1:]
    return border


def _thicker(border: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    from scipy.ndimage import binary_dilation

    thick: npt.NDArray[np.bool_] = binary_dilation(border)
    return thick


def draw_row(row: Mapping[str, Any], answered: Mask) -> Image:
    """Return the overlay of a canonical row: with the outline of its mask where it has one."""
    from graft.reading import open_image, open_mask

    return overlay(open_image(row["image"]), answered, open_mask(row["mask"]) if row.get("mask") else None)


def side_by_side(one: Image, other: Image) -> Image:
    """Return two images in one, grey or in colour, the second in the height of the first and a white line between."""
    from PIL import Image as Images

    scale = max(1, -(-SIDE // (2 * max(one.size))))
    height = one.height * scale
    widths = [max(1, round(image.width * height / image.height)) for image in (one, other)]
    parts = [
        image.convert("RGB").resize((width, height), Images.Resampling.BICUBIC)
        for image, width in zip((one, other), widths, strict=True)
    ]
    gap = max(2, height // 40)
    both = Images.new("RGB", (parts[0].width + gap + parts[1].width, height), "white")
    both.paste(parts[0], (0, 0))
    both.paste(parts[1], (parts[0].width + gap, 0))
    return both
