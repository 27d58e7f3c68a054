"""Files of boxes: COCO's and Pascal VOC's give the same rows, and say what is wrong with them."""

import json

import pytest

from graft.catalog import Data
from graft.errors import DataError
from graft.problems import PROBLEMS
from graft.reading import inspect, read
from tests.boxes import SHAPES, png, scenes

PROBLEM = PROBLEMS["object-detection"]


def coco(made, first=0, **more):
    """Return a COCO document of scenes, whose images are 0.png, 1.png and so on."""
    images = [{"id": 10 + place, "file_name": f"{first + place}.png", "width": 64} for place in range(len(made))]
    boxes = [
        {"id": 100 * place + number, "image_id": 10 + place, "category_id": 1 + SHAPES.index(shape),
         "bbox": [left, top, side, side], "iscrowd": 0}
        for place, (_, objects) in enumerate(made) for number, (shape, left, top, side) in enumerate(objects)
    ]  # fmt: skip
    categories = [{"id": 1 + place, "name": shape} for place, shape in enumerate(SHAPES)]
    return {"info": {}, "images": images, "annotations": boxes, "categories": categories, **more}


def voc(objects):
    """Return a VOC document of a scene: corners are pixels from 1 that belong to the box."""
    inner = "".join(
        f"<object><name>{shape}</name><difficult>{int(place == 9)}</difficult><bndbox><xmin>{left + 1}</xmin>"
        f"<ymin>{top + 1}</ymin><xmax>{left + side}</xmax><ymax>{top + side}</ymax></bndbox></object>"
        for place, (shape, left, top, side) in enumerate(objects)
    )
    return f"<annotation>{inner}</annotation>"


def save(folder, made, first=0):
    folder.mkdir(parents=True, exist_ok=True)
    for place, (pixels, _) in enumerate(made):
        (folder / f"{first + place}.png").write_bytes(png(pixels))


def write_flat(root, train, test):
    save(root / "images", train)
    save(root / "images", test, 50)
    (root / "train.json").write_text(json.dumps(coco(train)))
    (root / "test.json").write_text(json.dumps(coco(test, 50)))


def write_instances(root, train, test):
    save(root / "train2017", train)
    save(root / "test2017", test, 50)
    (root / "annotations").mkdir()
    (root / "annotations/instances_train2017.json").write_text(json.dumps(coco(train)))
    (root / "annotations/instances_test2017.json").write_text(json.dumps(coco(test, 50)))
    (root / "annotations/captions_train2017.json").write_text("{}")


def write_exported(root, train, test):
    for name, part, first in (("train", train, 0), ("test", test, 50)):
        save(root / name, part, first)
        (root / name / "_annotations.coco.json").write_text(json.dumps(coco(part, first)))


def write_voc(root, train, test):
    save(root / "JPEGImages", train)
    save(root / "JPEGImages", test, 50)
    for folder in ("Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for name, part, first in (("train", train, 0), ("test", test, 50)):
        for place, (_, objects) in enumerate(part, first):
            (root / f"Annotations/{place}.xml").write_text(voc(objects))
        (root / f"ImageSets/Main/{name}.txt").write_text("".join(f"{first + place}\n" for place in range(len(part))))
    (root / "ImageSets/Main/disc_train.txt").write_text("0 1\n1 -1\n")


def write_voc_beside(root, train, test):
    for name, part, first in (("train", train, 0), ("test", test, 50)):
        save(root / name, part, first)
        for place, (_, objects) in enumerate(part, first):
            (root / name / f"{place}.xml").write_text(voc(objects))


@pytest.mark.parametrize("write", [write_flat, write_instances, write_exported, write_voc, write_voc_beside])
def test_every_layout_gives_the_same_rows(write, tmp_path):
    train, test = [*scenes(11, 1)], [*scenes(4, 2)]
    (tmp_path / "data").mkdir()
    write(tmp_path / "data", train, test)
    found = read(Data(path=str(tmp_path / "data")), PROBLEM)
    assert found.labels == ("disc", "square")
    for split, made in (("train", train), ("test", test)):
        rows = {row["image"]["path"].rsplit("/", 1)[-1]: row for row in found.splits[split].to_pylist()}
        assert len(rows) == len(made)
        for place, (_, objects) in enumerate(made):
            row = rows[f"{place + (50 if split == 'test' else 0)}.png"]
            boxes = [
                (SHAPES[one["category"]], one["x"], one["y"], one["width"], one["height"]) for one in row["objects"]
            ]
            assert boxes == [(shape, left, top, side, side) for shape, left, top, side in objects]
    seen = inspect(tmp_path / "data", labelled=True)
    assert (seen.problem, seen.splits) == ("object-detection", {"train": 11, "test": 4})


def test_crowds_and_difficult_objects_are_kept_as_such(tmp_path):
    made = [*scenes(8, 1)]
    document = coco(made)
    document["annotations"][0]["iscrowd"] = 1
    save(tmp_path / "images", made)
    (tmp_path / "all.json").write_text(json.dumps(document))
    found = read(Data(path=str(tmp_path / "all.json")), PROBLEM)
    crowds = [one["crowd"] for table in found.splits.values() for row in table["objects"].to_pylist() for one in row]
    assert sum(crowds) == 1


def test_everything_wrong_with_a_coco_file_is_said_at_once(tmp_path):
    made = [*scenes(8, 1)]
    document = coco(made)
    document["annotations"][0]["image_id"] = 99
    document["annotations"][1]["category_id"] = 7
    document["images"].append({"id": 10, "file_name": "again.png"})
    document["images"].append({"file_name": "no.png"})
    save(tmp_path / "images", made)
    (tmp_path / "train.json").write_text(json.dumps(document))
    with pytest.raises(DataError) as error:
        read(Data(path=str(tmp_path)), PROBLEM)
    said = [*error.value.problems]
    first, second = (one["id"] for one in document["annotations"][:2])
    assert said == [
        "train.json, image 9: id 10 is that of another image, too",
        "train.json, image 10: expected an id and a file_name",
        f"train.json, annotation {first}: no image has its image_id, 99",
        f"train.json, annotation {second}: category_id 7; the categories are 1 (disc), 2 (square)",
    ]


def test_a_missing_image_is_named_with_its_row(tmp_path):
    made = [*scenes(8, 1)]
    save(tmp_path / "images", made)
    (tmp_path / "images/3.png").unlink()
    (tmp_path / "train.json").write_text(json.dumps(coco(made)))
    with pytest.raises(DataError, match=r"train.json, row 4: no image file .*images/3.png"):
        read(Data(path=str(tmp_path)), PROBLEM)


def test_everything_wrong_with_voc_files_is_said_at_once(tmp_path):
    made = [*scenes(8, 1)]
    write_voc(tmp_path, made, made[:3])
    (tmp_path / "Annotations/2.xml").write_text("<annotation>")
    (tmp_path / "Annotations/5.xml").write_text("<annotation><object><name>disc</name></object></annotation>")
    (tmp_path / "Annotations/51.xml").unlink()
    with pytest.raises(DataError) as error:
        read(Data(path=str(tmp_path)), PROBLEM)
    said = "\n".join(error.value.problems)
    assert len(error.value.problems) == 3
    assert "ImageSets/Main/train.txt: 2.xml: cannot be read (no XML" in said
    assert "ImageSets/Main/train.txt: 5.xml: object 1: expected a bndbox of xmin, ymin, xmax, ymax" in said
    assert "ImageSets/Main/test.txt: 51.xml: cannot be read (No such file" in said


def test_lines_of_json_that_mention_annotations_are_still_lines(tmp_path):
    lines = [{"text": f"a good one {place}", "label": "ab"[place % 2], "annotations": [1]} for place in range(20)]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert inspect(tmp_path, labelled=True).problem == "text-classification"
