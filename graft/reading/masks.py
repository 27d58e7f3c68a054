"""Mask cells: an image whose pixels are indices of classes, one byte each."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from graft.reading.images import decode

if TYPE_CHECKING:
    from PIL.Image import Image

Mask = npt.NDArray[np.uint8]
VOID = 255
"""The index of pixels that nobody has labelled: neither learned nor graded."""
MODES = {"1": "one bit", "L": "8 bits of grey", "P": "a palette"}
"""Image modes whose pixels are indices."""


def open_mask(cell: Mapping[str, Any] | None) -> Mask:
    """Return the indices of a mask, uint8 (height, width); raises DataError saying what is wrong with it.

    Of an image with a palette the indices count, not the colours; of one with one bit, 0 and 1.
    """
    return decode(cell, "a mask", _indices)


def _indices(image: Image) -> Mask:
    if reason := _fault(image):
        raise ValueError(reason)
    return np.asarray(image, dtype=np.uint8)


def _fault(image: Image) -> str:
    """Return why the pixels of an image are no indices; empty where they are."""
    if image.format == "JPEG":
        return "JPEG does not keep indices; store it as PNG"
    if image.mode not in MODES:
        return f"its mode is {image.mode}; expected one index a pixel: mode {', '.join(MODES)}"
    return ""


def mask_image(indices: Mask) -> Image:
    """Return indices (height, width) as an image of 8 bits."""
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(indices, dtype=np.uint8))


def encode_mask(indices: Mask) -> bytes:
    """Return indices (height, width) as a PNG file."""
    stream = io.BytesIO()
    mask_image(indices).save(stream, "PNG")
    return stream.getvalue()


def hash_mask(indices: Mask) -> str:
    """Return the sha256 of size and indices."""
    header = f"{indices.shape[1]} {indices.shape[0]} ".encode()
    return hashlib.sha256(header + np.ascontiguousarray(indices).tobytes()).hexdigest()
