"""Corruptions of images, after Hendrycks and Dietterich 2019, Benchmarking Neural Network Robustness.

Inputs are PIL images of mode L or RGB. The constants are the published ones, and so they depend on the shorter side of
the image: up to 32 pixels they are those of CIFAR-10-C, from 224 on those of ImageNet-C, and between the two
they go with a power of the side (evenly in its logarithm). Above 224 the radius of the blur grows with the side.
Occlusion is not theirs: a rectangle that hides a part of the image, as in Zeiler and Fergus 2014, section 4.2. It is
a share of either side, whatever the size.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from graft.corruptions.corruption import Corruption, Family
from graft.reading import convert_image, hash_image, open_image

Picture = Image.Image
SMALL, LARGE = 32, 224  # pixels: the sides that the two published sets of constants were made for
GREY = ("1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L")


def add_noise(image: Picture, severity: int, random: np.random.Generator) -> Picture:
    """Gaussian noise on every value, as in poor light."""
    deviation = _published((0.04, 0.06, 0.08, 0.09, 0.10), (0.08, 0.12, 0.18, 0.26, 0.38), severity, image)
    pixels = _pixels(image)
    return _picture(pixels + 255 * deviation * random.standard_normal(pixels.shape))


def blur(image: Picture, severity: int, random: np.random.Generator) -> Picture:
    """Gaussian blur, as out of focus."""
    radius = _published((0.4, 0.6, 0.7, 0.8, 1.0), (1, 2, 3, 4, 6), severity, image) * max(1, min(image.size) / LARGE)
    return image.filter(ImageFilter.GaussianBlur(radius))


def lower_contrast(image: Picture, severity: int, random: np.random.Generator) -> Picture:
    """Every value drawn towards the mean of its channel."""
    kept = _published((0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05), severity, image)
    pixels = _pixels(image)
    mean = pixels.mean(axis=(0, 1))
    return _picture((pixels - mean) * kept + mean)


def brighten(image: Picture, severity: int, random: np.random.Generator) -> Picture:
    """More light: the V of HSV is raised, hue and saturation stay."""
    more = _published((0.05, 0.1, 0.15, 0.2, 0.3), (0.1, 0.2, 0.3, 0.4, 0.5), severity, image)
    pixels = _pixels(image)
    value = pixels if pixels.ndim == 2 else pixels.max(axis=2, keepdims=True)
    raised = np.minimum(value + 255 * more, 255)
    return _picture(np.where(value > 0, pixels * raised / np.maximum(value, 1), raised))


def compress(image: Picture, severity: int, random: np.random.Generator) -> Picture:
    """JPEG at a low quality."""
    quality = _published((80, 65, 58, 50, 40), (25, 18, 15, 10, 7), severity, image)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=round(quality))
    with Image.open(stream) as compressed:
        compressed.load()
        return compressed.copy()


def pixelate(image: Picture, severity: int, random: np.random.Generator) -> Picture:
    """Fewer and larger pixels."""
    share = _published((0.95, 0.9, 0.85, 0.75, 0.65), (0.6, 0.5, 0.4, 0.3, 0.25), severity, image)
    width, height = (max(1, min(int(side * share), side - 1)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BOX).resize(image.size, Image.Resampling.BOX)


def occlude(image: Picture, severity: int, random: np.random.Generator) -> Picture:
    """A part of the image hidden behind its mean colour: 20 to 60 % of either side."""
    share = (0.2, 0.3, 0.4, 0.5, 0.6)[severity - 1]
    pixels = _pixels(image)
    height, width = (max(1, round(share * side)) for side in pixels.shape[:2])
    # where the square begins is a share of the room it has: a larger square covers the smaller one
    top = round(random.random() * (pixels.shape[0] - height))
    left = round(random.random() * (pixels.shape[1] - width))
    pixels[top : top + height, left : left + width] = pixels.mean(axis=(0, 1))
    return _picture(pixels)


def read_picture(cell: Mapping[str, Any]) -> Picture:
    """Return the image of a cell in grey or in colour, 8 bits a channel, as a problem would convert it."""
    image = open_image(cell)
    return convert_image(image, "L" if image.mode in GREY else "RGB")


def reduce_picture(image: Picture, side: int) -> Picture:
    """Return the image with a shorter side of at most `side` pixels."""
    factor = side / min(image.size)
    if factor >= 1:
        return image
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BILINEAR)


def write_picture(image: Picture) -> dict[str, Any]:
    """Return a cell that holds the image as it is, uncompressed: it is read again at once."""
    stream = io.BytesIO()
    image.save(stream, "PPM")
    return {"bytes": stream.getvalue(), "path": None}


PICTURES: dict[str, Corruption[Picture]] = {
    "noise": add_noise,
    "blur": blur,
    "contrast": lower_contrast,
    "brightness": brighten,
    "jpeg": compress,
    "pixelate": pixelate,
    "occlusion": occlude,
}
IMAGES = Family(
    column="image",
    members=PICTURES,
    read=read_picture,
    reduce=reduce_picture,
    identify=hash_image,
    write=write_picture,
    resolution=lambda examples, processor: min(examples.features[0].shape[-2:]),
)


def _published(small: Sequence[float], large: Sequence[float], severity: int, image: Picture) -> float:
    """Return the constant of a severity for an image's size: CIFAR-10-C's, ImageNet-C's, or one between them."""
    share = math.log(min(image.size) / SMALL) / math.log(LARGE / SMALL)
    share = min(max(share, 0.0), 1.0)
    return float(small[severity - 1] ** (1 - share) * large[severity - 1] ** share)


def _pixels(image: Picture) -> npt.NDArray[np.float64]:
    return np.asarray(image).astype(np.float64)


def _picture(pixels: npt.NDArray[np.float64]) -> Picture:
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))
