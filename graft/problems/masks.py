"""Masks: their classes found and agreed on over a whole dataset, and answers that are masks packed into few numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from graft.errors import DataError, place_of
from graft.problems.pixels import image_size
from graft.problems.problem import Settled

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from graft.reading import Mask

CLASSES = "classes.txt"
"""The file beside the data that names the classes, one a line, the first that of index 0."""
BITS = 24
"""Of whole numbers that a float32 holds exactly."""
HEADER = 3
"""Numbers before the pixels of a packed mask: classes, height and width."""


def settle_masks(splits: Mapping[str, pa.Table], folder: Path, known: Sequence[str]) -> Settled:
    """Return the rows and the classes of their masks, with everything that is wrong with any mask.

    Classes are those of `known`, else of `classes.txt`, else the indices that training masks hold. Index 255 is
    void, unless nothing but 0 and 255 occurs and two classes are all there are: then it is class 1, and the masks are
    written anew with it.
    """
    from graft.reading import VOID

    faults: list[str] = []
    found = {name: [*_indices(table, faults)] for name, table in splits.items()}
    everywhere = {index for rows in found.values() for row in rows for index in row}
    training = found.get("train", found.get("all", []))
    names = tuple(known) or declared_classes(folder)
    binary = VOID in everywhere and everywhere <= {0, VOID} and len(names) in (0, 2)
    if binary:
        splits = {name: _ones(table, found[name]) for name, table in splits.items()}
        found = {name: [{min(index, 1) for index in row} for row in rows] for name, rows in found.items()}
        training = found.get("train", found.get("all", []))
    if not names:
        seen = sorted({index for row in training for index in row} - {VOID})
        names = tuple(map(str, seen))
        if not faults and (len(seen) < 2 or seen != [*range(len(seen))]):
            faults.append(
                f"the training masks hold {_listed(seen)}; expected 0, 1 and so on without a gap, "
                f"or {CLASSES} beside the data with a name for each index, one a line"
            )
    faults += [fault for name, table in splits.items() for fault in _unknown(table, found[name], names, not known)]
    return Settled(splits, names, faults)


def declared_classes(folder: Path) -> tuple[str, ...]:
    """Return the names in the file `CLASSES` of a folder; none where there is no such file."""
    file = folder / CLASSES
    if not file.is_file():
        return ()
    return tuple(line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip())


def _indices(table: pa.Table, faults: list[str]) -> Iterator[set[int]]:
    """Yield the indices of each mask; what is wrong with one alone goes to `faults`, and it then has none."""
    import numpy as np

    from graft.reading import open_mask

    for row in table.to_pylist():
        try:
            mask = open_mask(row["mask"])
            yield {*np.flatnonzero(np.bincount(mask.ravel(), minlength=256)).tolist()}
        except (DataError, OSError) as error:
            faults.append(f"{place_of(row)}: {error}")
            yield set()
            continue
        size = image_size(row["image"])
        if size is not None and size != mask.shape[::-1]:
            faults.append(f"{place_of(row)}: the mask is {_size(mask.shape[::-1])} pixels, its image {_size(size)}")


def _unknown(table: pa.Table, found: Sequence[set[int]], names: Sequence[str], own: bool) -> list[str]:
    from graft.reading import VOID
    from graft.reading.formats import shorten

    known = f"the classes are {', '.join(names[:12])}{' ...' if len(names) > 12 else ''}"
    known += " (255 is void)" if own else " of the target (255 is void)"
    strange = [sorted(row - {VOID, *range(len(names))}) for row in found]
    return shorten(
        [
            f"{place_of(row)}: the mask holds {_listed(indices)}; {known}"
            for row, indices in zip(table.to_pylist() if any(strange) else [], strange, strict=False)
            if indices
        ]
    )


def _ones(table: pa.Table, found: Sequence[set[int]]) -> pa.Table:
    """Return a table whose masks of 0 and 255 are masks of 0 and 1."""
    import numpy as np
    import pyarrow as pa

    from graft.reading import VOID, encode_mask, open_mask

    cells = [
        cell
        if VOID not in row
        else {"bytes": encode_mask((open_mask(cell) > 0).astype(np.uint8)), "path": cell["path"]}
        for cell, row in zip(table["mask"].to_pylist(), found, strict=True)
    ]
    place = table.schema.get_field_index("mask")
    return table.set_column(place, "mask", pa.array(cells, type=table.schema.field(place).type))


def _size(size: tuple[int, ...]) -> str:
    return " x ".join(map(str, size))


def _listed(indices: Sequence[int]) -> str:
    words = ", ".join(map(str, indices[:8])) + (f" and {len(indices) - 8} more" if len(indices) > 8 else "")
    return f"{'index' if len(indices) == 1 else 'indices'} {words}" if indices else "no index but void"


def pack(masks: np.ndarray, classes: int) -> np.ndarray:
    """Return masks (rows, height, width) as float32 (rows, 3 + numbers), several pixels to a number.

    A float32 holds 24 bits exactly: 24 pixels of two classes, 8 of eight, 3 of 256. A mask of 96 x 96 pixels of two
    classes takes 387 numbers, or 1.5 kB.
    """
    import numpy as np

    rows, height, width = masks.shape
    bits, each = _layout(classes)
    pixels = np.zeros((rows, -(-height * width // each) * each), dtype=np.int64)
    pixels[:, : height * width] = masks.reshape(rows, -1)
    packed = (pixels.reshape(rows, -1, each) << (bits * np.arange(each))).sum(axis=2)
    header = np.tile([classes, height, width], (rows, 1))
    return np.concatenate([header, packed], axis=1).astype(np.float32)


def unpack(answer: np.ndarray) -> tuple[Mask, int]:
    """Return a packed mask (numbers,) as indices (height, width), and how many classes there are."""
    import numpy as np

    classes, height, width = (int(number) for number in answer[:HEADER])
    bits, each = _layout(classes)
    packed = answer[HEADER : HEADER - (-height * width // each)].astype(np.int64)
    pixels = (packed[:, None] >> (bits * np.arange(each))) & (2**bits - 1)
    return pixels.ravel()[: height * width].reshape(height, width).astype(np.uint8), classes


def _layout(classes: int) -> tuple[int, int]:
    """Return the bits of a pixel, and how many pixels a number holds."""
    bits = max(1, (classes - 1).bit_length())
    return bits, BITS // bits
