"""Boxes: the objects of an image in one form, whatever they were stored as, and classes agreed on over a dataset."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graft.errors import place_of
from graft.problems.pixels import image_size
from graft.problems.problem import Settled

if TYPE_CHECKING:
    import pyarrow as pa

BOXES = ("bbox", "bboxes", "box", "boxes")
CATEGORIES = ("category", "categories", "category_id", "label", "labels", "class", "name")
CROWDS = ("iscrowd", "is_crowd", "crowd")
SIDES = ("x", "y", "width", "height")
BEYOND = 1.0  # pixels that a box may stick out of its image: annotators round
SAID = 5  # faults of one image that are told; the rest are counted


def convert_objects(values: Sequence[Any]) -> tuple[pa.Array, Mapping[int, str]]:
    """Return the objects of images in canonical form, and what is wrong with those of which image.

    A value is a list of objects or, as `datasets` stores it, one object of lists. Each object has a `bbox` of left,
    top, width and height in pixels and a `category`; it may have `iscrowd` and `difficult`. None is no object.
    """
    import pyarrow as pa

    found, faults = [], {}
    for row, value in enumerate(values):
        objects, wrong = [], []
        for place, one in enumerate(_listed(value), 1):
            made = _object(one)
            if isinstance(made, str):
                wrong.append(f"object {place}: {made}")
            else:
                objects.append(made)
        found.append(objects)
        if wrong:
            faults[row] = _joined(wrong)
    return pa.array(found, objects_type(pa.string())), faults


def objects_type(category: pa.DataType) -> pa.DataType:
    """Return the Arrow type of a cell of objects, with categories by name or, once they are settled, by index."""
    import pyarrow as pa

    numbers = [(side, pa.float64()) for side in SIDES]
    return pa.list_(pa.struct([*numbers, ("category", category), ("crowd", pa.bool_()), ("difficult", pa.bool_())]))


def _listed(value: Any) -> Sequence[Any]:
    """Return one object for each; those of lists of different lengths are as many as the longest has."""
    if isinstance(value, Mapping):
        lists = {name: list(each) for name, each in value.items() if isinstance(each, (list, tuple))}
        count = max(map(len, lists.values()), default=0)
        return [{name: each[place] for name, each in lists.items() if place < len(each)} for place in range(count)]
    return [] if value is None else list(value) if isinstance(value, (list, tuple)) else [value]


def _object(one: Any) -> dict[str, Any] | str:
    """Return an object in canonical form, or what is wrong with it."""
    if not isinstance(one, Mapping):
        return f"found {one!r}, expected a `bbox` and a `category`"
    box, category = _first(one, BOXES), _first(one, CATEGORIES)
    if isinstance(category, float) and category.is_integer():
        category = int(category)
    numbers = [_number(side) for side in box] if isinstance(box, (list, tuple)) else []
    if len(numbers) != len(SIDES) or None in numbers:
        return f"bbox {box!r}, expected left, top, width and height in pixels"
    if category is None or not str(category).strip():
        return "no category"
    return {
        **dict(zip(SIDES, numbers, strict=True)),
        "category": str(category).strip(),
        "crowd": bool(_first(one, CROWDS)),
        "difficult": bool(one.get("difficult")),
    }


def _first(one: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((one[name] for name in names if one.get(name) is not None), None)


def _number(value: Any) -> float | None:
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def settle_boxes(splits: Mapping[str, pa.Table], known: Sequence[str]) -> Settled:
    """Return the rows with categories as indices, the names of these, and everything that is wrong with any box.

    Classes are those of `known`, else all that occur: by their numbers where all are numbers, else by the alphabet.
    A box that sticks out of its image by less than `BEYOND` is cut off there.
    """
    import pyarrow as pa

    from graft.reading.formats import shorten

    rows = {name: table.select(["image", "objects", "file", "row"]).to_pylist() for name, table in splits.items()}
    names = tuple(known) or _sorted(
        {one["category"] for each in rows.values() for row in each for one in row["objects"]}
    )
    indices, faults, settled = {name: index for index, name in enumerate(names)}, [], {}
    for split, table in splits.items():
        for row in rows[split]:
            size = image_size(row["image"])
            wrong = [f"object {place}: {fault}" for place, one in enumerate(row["objects"], 1)
                     for fault in _wrong(one, size, indices)]  # fmt: skip
            faults += [f"{place_of(row)}: {_joined(wrong)}"] if wrong else []
            row["objects"] = [_within(one, size) | {"category": indices.get(one["category"])} for one in row["objects"]]
        place = table.schema.get_field_index("objects")
        cells = pa.array([row["objects"] for row in rows[split]], objects_type(pa.int64()))
        settled[split] = table.set_column(place, "objects", cells)
    if not names and not faults:
        faults.append("no image has a box; expected one at least")
    return Settled(settled, names, shorten(faults))


def _sorted(names: set[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=int) if all(name.isdecimal() for name in names) else sorted(names))


def _wrong(one: Mapping[str, Any], size: tuple[int, int] | None, known: Mapping[str, int]) -> Iterator[str]:
    """Yield what is wrong with a box in an image of that width and height; None where the image cannot be read."""
    if one["category"] not in known:
        yield f"category '{one['category']}', the classes of the target are {', '.join([*known][:12])}"
    if one["width"] <= 0 or one["height"] <= 0:
        yield f"a box of {one['width']:g} x {one['height']:g} pixels holds nothing"
    elif size is not None:
        right, bottom = one["x"] + one["width"], one["y"] + one["height"]
        if min(one["x"], one["y"]) < -BEYOND or right > size[0] + BEYOND or bottom > size[1] + BEYOND:
            sides = f"from {one['x']:g}, {one['y']:g} to {right:g}, {bottom:g}"
            yield f"the box {sides} sticks out of the image of {size[0]} x {size[1]} pixels"


def _within(one: Mapping[str, Any], size: tuple[int, int] | None) -> dict[str, Any]:
    """Return an object whose box ends where its image does."""
    if size is None:
        return dict(one)
    left, top = max(one["x"], 0.0), max(one["y"], 0.0)
    right, bottom = min(one["x"] + one["width"], size[0]), min(one["y"] + one["height"], size[1])
    return {**one, "x": left, "y": top, "width": right - left, "height": bottom - top}


def _joined(faults: Sequence[str]) -> str:
    more = len(faults) - SAID
    return "; ".join([*faults[:SAID], *([f"and {more} more"] if more > 0 else [])])
