"""Image cells: the bytes of an image, or the path of its file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from graft.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N")  # how Pillow calls grey of 16 bits
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})


def image_bytes(cell: Mapping[str, Any] | None) -> bytes:
    """Return the encoded image of a cell; raises OSError when its file cannot be read."""
    if cell is None:
        return b""
    if cell["bytes"] is not None:
        return bytes(cell["bytes"])
    return Path(cell["path"]).read_bytes() if cell["path"] else b""


def open_image(cell: Mapping[str, Any] | None) -> Image:
    """Return the decoded image of a cell, upright as its camera held it; raises DataError saying what is wrong."""
    import io

    from PIL import Image, ImageOps

    name = (cell or {}).get("path") or "image"
    try:
        content = image_bytes(cell)
        if not content:
            raise DataError(f"{name}: an empty image")
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            return ImageOps.exif_transpose(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).replace(repr(error), "").split())
        if "cannot identify" in reason:  # Pillow names the address of its buffer
            reason = "no known image format"
        raise DataError(f"{name}: not an image that can be read ({reason})") from None


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
    elif image.mode == "P" and image.has_transparency_data:  # Pillow warns where this step is left out
        image = image.convert("RGBA")
    return image.convert(mode)
