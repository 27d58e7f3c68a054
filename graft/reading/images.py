"""Image cells: the bytes of an image, or the path of its file."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from graft.errors import DataError
from graft.reading.cells import cell_bytes

if TYPE_CHECKING:
    from PIL.Image import Image

Decoded = TypeVar("Decoded")
DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N")  # how Pillow calls grey of 16 bits
SUFFIXES = frozenset({".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
DEEP_MODES = ("F", *DEEP)  # more than 8 bits a channel: converting would lose them
PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA")
BEGINNINGS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"P5", b"P6")


def begins_as_image(content: bytes) -> bool:
    """Say whether bytes begin as an image file of a usual format does."""
    return content.startswith(BEGINNINGS) or (content[:4] == b"RIFF" and content[8:12] == b"WEBP")


def open_image(cell: Mapping[str, Any] | None) -> Image:
    """Return the decoded image of a cell, upright as its camera held it; raises DataError saying what is wrong."""
    return decode(cell, "an image", _upright)


def _upright(image: Image) -> Image:
    """Return an image as its camera held it; raises ValueError for values that 8 or 16 bits would quietly cut off."""
    from PIL import ImageOps

    extrema: Any = image.getextrema() if image.mode in ("F", "I") else (0, 0)
    low, high = extrema
    if image.mode == "F" or low < 0 or high >= 2**16:
        raise ValueError(f"its values are from {low:g} to {high:g}; save it with 8 or 16 bits")
    return ImageOps.exif_transpose(image)


def decode(cell: Mapping[str, Any] | None, noun: str, use: Callable[[Image], Decoded]) -> Decoded:
    """Return what `use` makes of the image in a cell; raises DataError saying what is wrong with it.

    `use` raises ValueError with the reason where it cannot. `noun`, with its article, is what the message calls it.
    """
    from PIL import Image

    name = (cell or {}).get("path") or noun.split()[-1]
    try:
        content = cell_bytes(cell)
        if not content:
            raise DataError(f"{name}: an empty {noun.split()[-1]}")
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            return use(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).replace(repr(error), "").split())
        if "cannot identify" in reason:  # Pillow names the address of its buffer
            reason = "no known image format"
        raise DataError(f"{name}: not {noun} that can be read ({reason})") from None


def hash_image(image: Image) -> str:
    """Return the sha256 of size and pixels; the file format and a palette or grey storage do not count."""
    if image.mode not in DEEP_MODES:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    header = f"{image.mode} {image.width} {image.height} ".encode()
    return hashlib.sha256(header + image.tobytes()).hexdigest()


def encode_image(image: Image) -> bytes:
    """Return the image as a PNG file, in 8 bits a channel."""
    stream = io.BytesIO()
    image = image if image.mode in PNG_MODES else convert_image(image, "RGB")
    image.save(stream, "PNG")
    return stream.getvalue()


def convert_image(image: Image, mode: str) -> Image:
    """Return an image in 8 bits a channel, of mode `L` or `RGB`.

    Grey of 16 bits, as scanners and microscopes write it, is brought to 8 by its range: Pillow alone would clip it at
    255, and nearly all of the picture would be white. Transparency is dropped.
    """
    import numpy as np
    from PIL import Image

    if image.mode in DEEP:
        values = np.asarray(image, dtype=np.float64)
        image = Image.fromarray(np.clip(np.rint(values / 257), 0, 255).astype(np.uint8))
    elif image.mode == "LAB":  # which Pillow turns into colours only
        image = image.convert("RGB")
    elif image.mode == "P" and image.has_transparency_data:  # Pillow warns where this step is left out
        image = image.convert("RGBA")
    return image.convert(mode)
