"""Boxes as the two usual formats have them: COCO's one file of a split, and Pascal VOC's one file of an image.

Both give rows of an `image`, by its path, and its `objects`, each a `bbox` of left, top, width and height in pixels, a
`category`, `iscrowd` and `difficult`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa

from graft.reading.cells import FILE
from graft.reading.images import SUFFIXES

OBJECTS = pa.list_(
    pa.struct(
        [
            ("bbox", pa.list_(pa.float64())),
            ("category", pa.string()),
            ("iscrowd", pa.bool_()),
            ("difficult", pa.bool_()),
        ]
    )
)
IMAGES = ("images", "JPEGImages", "data")
"""Folders of images beside or above a file of annotations."""
CORNERS = ("xmin", "ymin", "xmax", "ymax")
LISTS = Path("ImageSets/Main")
"""Where Pascal VOC keeps the names of the images of each split."""


def is_coco(found: Any) -> bool:
    """Say whether a JSON document is one of COCO's."""
    return isinstance(found, Mapping) and all(isinstance(found.get(name), list) for name in ("images", "annotations"))


def read_coco(found: Mapping[str, Any], path: Path, name: str, problems: list[str]) -> tuple[pa.Table, list[int]]:
    """Return a row for each image of a COCO file, and its place in the file from 1; what is wrong goes to `problems`.

    Images are looked for beside the file, in `images/`, in a folder of the split's name, and one folder higher.
    """
    categories = _categories(found.get("categories"), name, problems)
    objects: dict[Any, list[dict[str, Any]]] = {}
    numbers, paths = [], []
    for number, image in enumerate(found["images"], 1):
        if not _has_id(image) or not image.get("file_name"):
            problems.append(f"{name}, image {number}: expected an id and a file_name")
        elif image["id"] in objects:
            problems.append(f"{name}, image {number}: id {image['id']} is that of another image, too")
        else:
            objects[image["id"]] = []
            numbers.append(number)
            paths.append(_find(path, str(image["file_name"])))
    for number, one in enumerate(found["annotations"], 1):
        place = f"{name}, annotation {one.get('id', number) if isinstance(one, Mapping) else number}"
        if not isinstance(one, Mapping) or not _has_id(one, "image_id") or one["image_id"] not in objects:
            problems.append(f"{place}: no image has its image_id, {_get(one, 'image_id')}")
        elif not _has_id(one, "category_id") or one["category_id"] not in categories:
            known = ", ".join(f"{key} ({word})" for key, word in [*categories.items()][:12]) or "none"
            problems.append(f"{place}: category_id {one.get('category_id')}; the categories are {known}")
        else:
            objects[one["image_id"]].append(_object(one.get("bbox"), categories[one["category_id"]], one))
    return _table(path, paths, list(objects.values())), numbers


def _categories(listed: Any, name: str, problems: list[str]) -> dict[Any, str]:
    """Return the name of each category by its id; two of one id would give boxes the name of the other."""
    categories: dict[Any, str] = {}
    for number, one in enumerate(listed if isinstance(listed, list) else [], 1):
        if not _has_id(one):
            problems.append(f"{name}, category {number}: expected an id and a name")
        elif one["id"] in categories:
            word = str(one.get("name", one["id"]))
            problems.append(
                f"{name}, category {number}: id {one['id']} is of {categories[one['id']]!r} and of {word!r}"
            )
        else:
            categories[one["id"]] = str(one.get("name", one["id"]))
    return categories


def _has_id(one: Any, key: str = "id") -> bool:
    return isinstance(one, Mapping) and isinstance(one.get(key), str | int | float)


def _get(one: Any, key: str) -> Any:
    return one.get(key) if isinstance(one, Mapping) else one


def _object(box: Any, category: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    numbers = [float(side) for side in box if isinstance(side, int | float)] if isinstance(box, list) else []
    return {"bbox": numbers, "category": category, "iscrowd": bool(facts.get("iscrowd")), "difficult": False}


def _find(path: Path, name: str) -> Path:
    """Return where the image of an annotation file lies, or where one would expect it first."""
    split = path.stem.removeprefix("instances_")
    homes = [Path(), *map(Path, IMAGES), Path(split), *(Path(folder, split) for folder in IMAGES)]
    places = [base / home / name for base in (path.parent, path.parent.parent) for home in homes]
    return next((place for place in places if place.is_file()), path.parent / "images" / name)


def _table(path: Path, images: Sequence[Path], objects: Sequence[Sequence[Mapping[str, Any]]]) -> pa.Table:
    """Return rows whose paths count from the folder of `path`."""
    cells = [{"bytes": None, "path": os.path.relpath(image, path.parent)} for image in images]
    return pa.table({"image": pa.array(cells, FILE), "objects": pa.array(objects, OBJECTS)})


def voc_files(path: Path) -> list[Path]:
    """Return the annotation files of a part of a Pascal VOC dataset: of a list of names, or of a folder."""
    if path.is_file():
        names = [line.split()[0] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        return [path.parents[len(LISTS.parts)] / "Annotations" / f"{name}.xml" for name in names]
    folder = path / "Annotations"
    return sorted((folder if folder.is_dir() else path).glob("*.xml"))


def read_voc(path: Path, problems: list[str]) -> tuple[pa.Table, list[Path]]:
    """Return a row for each image of a part, and its annotation file; what is wrong goes to `problems`."""
    kept, images, objects = [], [], []
    for file in voc_files(path):
        try:
            root = ElementTree.fromstring(file.read_bytes())
        except (OSError, ElementTree.ParseError) as error:
            reason = error.strerror if isinstance(error, OSError) else f"no XML: {error}"
            problems.append(f"{file.name}: cannot be read ({reason})")
            continue
        faults: list[str] = []
        objects.append([*_voc_objects(root, faults)])
        problems.extend(f"{file.name}: {fault}" for fault in faults)
        kept.append(file)
        images.append(_voc_image(file, root.findtext("filename") or ""))
    return _table(path, images, objects), kept


def _voc_objects(root: ElementTree.Element, faults: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the objects of an image. Their corners are pixels, counted from 1, that belong to the box."""
    for place, one in enumerate(root.iter("object"), 1):
        box, name = one.find("bndbox"), (one.findtext("name") or "").strip()
        try:
            corners = [float((box.findtext(key) if box is not None else None) or "") for key in CORNERS]
        except ValueError:
            faults.append(f"object {place}: expected a bndbox of {', '.join(CORNERS)}")
            continue
        left, top, right, bottom = corners[0] - 1, corners[1] - 1, corners[2], corners[3]
        yield {
            "bbox": [left, top, right - left, bottom - top],
            "category": name,
            "iscrowd": False,
            "difficult": (one.findtext("difficult") or "0").strip() == "1",
        }


def _voc_image(file: Path, name: str) -> Path:
    """Return the image that an annotation file names, or else the one of its own name."""
    homes = [file.parent.parent / folder for folder in ("JPEGImages", *IMAGES, "")] + [file.parent]
    names = [
        *([Path(name.replace("\\", "/")).name] if name else []),
        *(file.stem + suffix for suffix in sorted(SUFFIXES)),
    ]
    places = [home / each for each in names for home in homes]
    return next((place for place in places if place.is_file()), homes[0] / (names[0] if name else f"{file.stem}.jpg"))
