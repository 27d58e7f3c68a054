"""Cells of inputs that are files of their own: the bytes of a file, or the path of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from graft.reading.packed import read_file

FILE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def cell_bytes(cell: Mapping[str, Any] | None) -> bytes:
    """Return the encoded input of a cell; raises OSError when its file cannot be read."""
    if cell is None:
        return b""
    if cell["bytes"] is not None:
        return bytes(cell["bytes"])
    return read_file(cell["path"]) if cell["path"] else b""
