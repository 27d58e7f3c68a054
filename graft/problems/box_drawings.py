"""Boxes drawn over images: what was found, what was missed, and what is not there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graft.problems.average_precision import COUNTED, HIT, MISS, OVERLAPS, assign
from graft.problems.overlays import COLOURS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

    Name = Callable[[float], str]
    Corners = tuple[float, float, float, float]

RIGHT, WRONG, MISSED, THERE = "#009e73", "#d55e00", "#f0e442", "#ffffff"
"""Of a detection that is right at an overlap of 0.5, one that is not, a true box that was not found, and one that was;
told apart by the colour-blind too (Okabe and Ito 2008)."""
LIGHT = {MISSED, THERE, "#e69f00", "#56b4e9", "#f0e442"}
"""Colours on which letters are black."""
SIDE = 480
"""Pixels of the longer side at the least, so that labels can be read."""
LINE, TEXT = 400, 34  # shares of the longer side: a line's width and a label's height, the same however one shrinks it
AT = OVERLAPS.index(0.5)


@dataclass(frozen=True)
class Shape:
    """A box in pixels and how it is drawn."""

    box: Corners
    colour: str
    width: int
    """Lines, of which one is `LINE` of the image."""
    label: str = ""


def draw_boxes(image: Image, found: np.ndarray, truth: Sequence[Sequence[float]] | None, name: Name) -> Image:
    """Return the image, enlarged where it is small, with the detections (detections, 6) of known or unknown truth.

    `found` has class, score, left, top, right and bottom in shares of the image, `truth` class, left, top, right,
    bottom and whether it counts. True boxes are thin and white, yellow where nothing found them; detections are green
    where they are right and orange where they are not. Without a truth they are of the colour of their class.
    """
    from PIL import Image as Images
    from PIL import ImageDraw

    scale = max(1.0, SIDE / max(image.size))
    size = (round(image.width * scale), round(image.height * scale))
    canvas = image.convert("RGB").resize(size, Images.Resampling.BICUBIC)
    shapes = [*_without_truth(found, name)] if truth is None else [*_with_truth(found, truth, name)]
    pencil = ImageDraw.Draw(canvas)
    placed = [Shape(_pixels(shape.box, size), shape.colour, shape.width, shape.label) for shape in shapes]
    line = max(1, round(max(size) / LINE))
    for shape in placed:
        pencil.rectangle(shape.box, outline=shape.colour, width=shape.width * line)
    height = max(8, round(max(size) / TEXT))
    written: list[Corners] = []
    for shape in reversed(placed):  # over all boxes, the topmost first: where two words would collide one is left out
        if shape.label:
            _write(pencil, shape, size, height, written)
    return canvas


def _without_truth(found: np.ndarray, name: Name) -> list[Shape]:
    return [Shape(tuple(line[2:]), COLOURS[int(line[0]) % len(COLOURS)], 2, f"{name(line[0])} {line[1]:.2f}")
            for line in found[::-1]]  # fmt: skip


def _with_truth(found: np.ndarray, truth: Sequence[Sequence[float]], name: Name) -> list[Shape]:
    """Return the shapes, in the order in which they are drawn: what matters most is on top."""
    import numpy as np

    boxes = np.asarray(truth, dtype=np.float64).reshape(-1, 6)
    right, taken = _judge(found, boxes)
    there = [
        Shape(tuple(box[1:5]), THERE, 1) for box, got in zip(boxes, taken, strict=True) if got or box[5] != COUNTED
    ]
    missed = [Shape(tuple(box[1:5]), MISSED, 2, name(box[0])) for box, got in zip(boxes, taken, strict=True)
              if not got and box[5] == COUNTED]  # fmt: skip
    said = [Shape(tuple(line[2:]), WRONG if value == MISS else RIGHT, 2, f"{name(line[0])} {line[1]:.2f}")
            for line, value in zip(found, right, strict=True)]  # fmt: skip
    return [*there, *said[::-1], *missed]


def _judge(found: np.ndarray, truth: np.ndarray) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return whether each detection is right (detections,), and whether each true box was found (boxes,)."""
    import numpy as np

    right, taken = np.full(len(found), MISS), np.zeros(len(truth), dtype=bool)
    for kind in np.unique(found[:, 0]):
        mine, its = np.flatnonzero(found[:, 0] == kind), np.flatnonzero(truth[:, 0] == kind)
        values, places = assign(found[mine, 2:], truth[its])
        right[mine] = values[:, AT]
        taken[its[places[values[:, AT] == HIT, AT]]] = True
    return right, taken


def _pixels(box: tuple[float, ...], size: tuple[int, int]) -> Corners:
    width, height = size
    left, top, right, bottom = box
    return (left * (width - 1), top * (height - 1), max(right, left) * (width - 1), max(bottom, top) * (height - 1))


def _write(pencil: ImageDraw, shape: Shape, size: tuple[int, int], height: int, written: list[Corners]) -> None:
    """Write a label above its box, or inside where there is no room above; not over another one."""
    from PIL import ImageFont

    font = ImageFont.load_default(height)
    _, _, wide, _ = pencil.textbbox((0, 0), shape.label, font=font)
    high = round(1.25 * height)
    left = min(max(shape.box[0], 0), max(size[0] - wide - 4, 0))
    top = shape.box[1] - high if shape.box[1] >= high else shape.box[1]
    mine = (left, top, left + wide + 4, top + high)
    if any(_collide(mine, other) for other in written):
        return
    written.append(mine)
    pencil.rectangle(mine, fill=shape.colour)
    pencil.text((left + 2, top), shape.label, fill="#000000" if shape.colour in LIGHT else "#ffffff", font=font)


def _collide(one: Corners, other: Corners) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
