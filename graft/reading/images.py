"""Image cells: the bytes of an image, or the path of its file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from graft.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

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
