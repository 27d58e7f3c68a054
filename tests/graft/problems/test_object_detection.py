"""Objects: what is wrong with them, what an answer is, how it is told and drawn."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from transformers import DetrImageProcessorPil, ViTImageProcessorPil

from graft.catalog import Checks, Data, Pretraining, Shift
from graft.checks.check import check
from graft.errors import DataError
from graft.problems import PROBLEMS
from graft.problems.box_drawings import MISSED, RIGHT, WRONG
from graft.problems.object_detection import SHOWN, unpack
from graft.problems.pixels import square
from graft.reading import read, read_shift
from tests.boxes import FCOS, png, scene_table, scenes

PROBLEM = PROBLEMS["object-detection"]
NAMED = PROBLEM.named(("disc", "square"))
BOX = {"bbox": [10.0, 10.0, 20.0, 20.0], "category": "disc"}


def write(path, objects):
    """Write scenes of 64 x 64 pixels whose objects are given, row by row, the first in each split alike."""
    cells = scene_table(len(objects))["image"]
    pq.write_table(pa.table({"image": cells, "objects": pa.array(objects)}), path)


def encoded(table, **size):
    processor = PROBLEM.make_processor(table, FCOS, Pretraining(image_size=32))
    return PROBLEM.encode(table, processor)


def stored(table, folder):
    pq.write_table(table, folder / "scenes.parquet")
    return read(Data(path=str(folder / "scenes.parquet")), PROBLEM)


def answer(*lines, pad=0):
    return np.array([number for line in lines for number in line] + [np.nan] * 6 * pad, dtype=np.float32)


def test_boxes_are_shares_of_their_image_whatever_the_network_reads(tmp_path):
    data = stored(scene_table(10, 3, width=80, height=40), tmp_path)
    assert data.labels == ("disc", "square")
    table = data.splits["train"]
    examples = encoded(table)
    assert examples.features.shape[1:] == (3, 32, 32)
    for lines, row in zip(examples.labels, table.to_pylist(), strict=True):
        assert lines[0].tolist() == [-2, 80, 40, 0, 0, 0]
        kept = lines[lines[:, 0] >= 0]
        assert len(kept) == len(row["objects"])
        for line, one in zip(kept, row["objects"], strict=True):
            corners = [one["x"], one["y"], one["x"] + one["width"], one["y"] + one["height"]]
            assert line[1:5] * [80, 40, 80, 40] == pytest.approx(corners, abs=1e-4)
            assert (line[0], line[5]) == (one["category"], 0)
    bare = encoded(table.drop_columns(["objects"]))
    assert bare.labels.shape == (len(table), 1, 6)
    taken = examples.take([2, 0])
    assert (taken.labels == examples.labels[[2, 0]]).all()


def test_an_objects_column_may_be_a_list_of_objects_or_an_object_of_lists(tmp_path):
    listed = scene_table(8, 5)
    objects = listed["objects"].to_pylist()
    turned = [{"bbox": [one["bbox"] for one in each], "category": [one["category"] for one in each]}
              for each in objects]  # fmt: skip
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = stored(listed, tmp_path / "a")
    other = stored(listed.set_column(1, "objects", pa.array(turned)), tmp_path / "b")
    assert one.fingerprint == other.fingerprint


def test_class_numbers_of_hub_tables_have_their_names(tmp_path):
    table = scene_table(8, 5)
    numbered = [[{**one, "category": ["square", "disc"].index(one["category"])} for one in each]
                for each in table["objects"].to_pylist()]  # fmt: skip
    classes = {"names": ["square", "disc"], "_type": "ClassLabel"}
    shapes = (
        {"feature": {"bbox": {}, "category": classes}, "_type": "List"},
        {"bbox": {"feature": {}, "_type": "List"}, "category": {"feature": classes, "_type": "List"}},
        [{"bbox": {}, "category": classes}],
    )
    found = set()
    for number, feature in enumerate(shapes):
        features = {"image": {"_type": "Image"}, "objects": feature}
        made = table.set_column(1, "objects", pa.array(numbered)).replace_schema_metadata(
            {"huggingface": json.dumps({"info": {"features": features}})}
        )
        (tmp_path / str(number)).mkdir()
        data = stored(made, tmp_path / str(number))
        assert data.labels == ("disc", "square")
        found.add(data.fingerprint)
    (tmp_path / "named").mkdir()
    assert found == {stored(table, tmp_path / "named").fingerprint}


def test_everything_wrong_with_objects_is_said_at_once_with_its_place(tmp_path):
    rows = [[BOX] for _ in range(12)]
    rows[1] = [BOX, {**BOX, "bbox": [50.0, 10.0, 20.0, 20.0]}]
    rows[3] = [{**BOX, "bbox": [10.0, 10.0, 0.0, 5.0]}, {**BOX, "bbox": [-3.0, 0.0, 9.0, 9.0]}]
    rows[5] = []
    rows[6] = [{**BOX, "bbox": [54.5, 44.0, 10.0, 20.0]}]  # half a pixel: annotators round
    write(tmp_path / "a.parquet", rows)
    with pytest.raises(DataError) as error:
        read(Data(path=str(tmp_path / "a.parquet")), PROBLEM)
    assert [*error.value.problems] == [
        "a.parquet, row 2: object 2: the box from 50, 10 to 70, 30 sticks out of the image of 64 x 64 pixels",
        "a.parquet, row 4: object 1: a box of 0 x 5 pixels holds nothing; "
        "object 2: the box from -3, 0 to 6, 9 sticks out of the image of 64 x 64 pixels",
    ]
    rows[1], rows[3] = [BOX], [BOX]
    write(tmp_path / "a.parquet", rows)
    found = read(Data(path=str(tmp_path / "a.parquet")), PROBLEM)
    boxes = [one for table in found.splits.values() for row in table["objects"].to_pylist() for one in row]
    assert max(one["x"] + one["width"] for one in boxes) == 64


def test_objects_that_are_none_are_named(tmp_path):
    rows = [[BOX] for _ in range(8)]
    rows[0], rows[2], rows[4] = (
        [{"bbox": [1.0, 2.0, 3.0], "category": "disc"}],
        [{**BOX, "category": " "}],
        [{**BOX, "bbox": None}],
    )
    write(tmp_path / "a.parquet", rows)
    with pytest.raises(DataError) as error:
        read(Data(path=str(tmp_path / "a.parquet")), PROBLEM)
    assert [*error.value.problems] == [
        "a.parquet, row 1: 'objects': object 1: bbox [1.0, 2.0, 3.0], expected left, top, width and height in pixels",
        "a.parquet, row 3: 'objects': object 1: no category",
        "a.parquet, row 5: 'objects': object 1: bbox None, expected left, top, width and height in pixels",
    ]


def test_a_shift_set_has_the_classes_of_the_target(tmp_path):
    pq.write_table(scene_table(4), tmp_path / "a.parquet")
    found = read_shift(Shift(path=str(tmp_path / "a.parquet")), PROBLEM, ("square", "ring", "disc"))
    kinds = {one["category"] for row in found.splits["test"]["objects"].to_pylist() for one in row}
    assert kinds <= {0, 2}
    with pytest.raises(DataError, match="category 'disc', the classes of the target are square, ring"):
        read_shift(Shift(path=str(tmp_path / "a.parquet")), PROBLEM, ("square", "ring"))


def test_checks_count_empty_images_repeated_and_small_boxes(tmp_path):
    small = {**BOX, "bbox": [30.0, 30.0, 1.0, 8.0]}
    write(tmp_path / "a.parquet", [[BOX, BOX], [], [BOX, small], *[[BOX] for _ in range(9)]])
    data = read(Data(path=str(tmp_path / "a.parquet")), PROBLEM)
    summary = check("x", "source", data, PROBLEM, Checks()).summary
    found = {one["name"]: (one["success"], one["offending"]) for one in summary["expectations"]}
    assert summary["passed"]
    assert {name: found[name] for name in ("repeated-boxes", "empty-images", "small-boxes")} == {
        "repeated-boxes": (False, 1), "empty-images": (False, 1), "small-boxes": (False, 1),
    }  # fmt: skip
    assert summary["features"]["boxes"]["largest"] == 2


def test_an_image_that_cannot_be_read_fails_the_checks(tmp_path):
    table = scene_table(10)
    cells = table["image"].to_pylist()
    cells[4]["bytes"] = cells[4]["bytes"][:50]
    data = stored(table.set_column(0, "image", pa.array(cells)), tmp_path)
    summary = check("x", "source", data, PROBLEM, Checks()).summary
    assert [one["name"] for one in summary["expectations"] if not one["success"]] == ["decodable"]


def test_what_is_sure_enough_is_told_in_pixels_of_the_image(tmp_path):
    table = stored(scene_table(3, 1, width=80, height=40), tmp_path).splits["test"].slice(0, 1)
    lines = answer([0, 0.9, 0.25, 0.5, 0.75, 1.0], [1, SHOWN - 0.01, 0.1, 0.1, 0.2, 0.2], pad=2)
    (found,) = NAMED.predict(lines[None], encoded(table.drop_columns(["objects"])))
    assert found == {"objects": [{"label": "disc", "score": 0.9, "x": 20.0, "y": 20.0, "width": 40.0, "height": 20.0}]}
    (said,) = NAMED.tell(lines[None], np.array([[[-2, 80, 40, 0, 0, 0], [1, 0, 0, 1, 1, 0], [1, 0, 0, 1, 1, 1]]]))
    assert (said.expected, said.answered) == ("1 square", "1 disc")
    (bare,) = PROBLEM.tell(answer(pad=1)[None], None)
    assert (bare.expected, bare.answered) == ("", "nothing")


def test_answers_that_rounding_explains_are_the_same():
    one = answer([0, 0.9, 0.2, 0.2, 0.6, 0.6], [1, 0.5, 0.1, 0.1, 0.3, 0.3])
    assert PROBLEM.same(
        one, answer([0, 0.901, 0.2, 0.2, 0.601, 0.6], [1, 0.5, 0.1, 0.1, 0.3, 0.3], [1, 0.06, 0, 0, 1, 1])
    )
    assert PROBLEM.same(one, one[[*range(6, 12), *range(6)]])
    for other in (
        [0, 0.8, 0.2, 0.2, 0.6, 0.6], [1, 0.9, 0.2, 0.2, 0.6, 0.6], [0, 0.9, 0.25, 0.2, 0.6, 0.6],
    ):  # fmt: skip
        assert not PROBLEM.same(one, answer(other, [1, 0.5, 0.1, 0.1, 0.3, 0.3]))
    assert not PROBLEM.same(one, one[:6])
    assert unpack(answer(pad=3)).shape == (0, 6)


def test_hits_misses_and_false_alarms_have_colours_of_their_own():
    pixels, _ = next(scenes(1))
    truth = [[10.0, 10.0, 20.0, 20.0], [40.0, 40.0, 16.0, 16.0]]
    objects = [dict(zip(("x", "y", "width", "height"), box, strict=True), category=0, crowd=False, difficult=False)
               for box in truth]  # fmt: skip
    row = {"image": {"bytes": png(pixels), "path": None}, "objects": objects}
    hit, alarm = [0, 0.9, 10 / 64, 10 / 64, 30 / 64, 30 / 64], [1, 0.8, 0.5, 0.1, 0.9, 0.4]
    shown = colours(NAMED.draw(row, answer(hit, alarm)))
    assert {RIGHT, WRONG, MISSED} <= shown
    assert not {WRONG, MISSED} & colours(NAMED.draw({**row, "objects": objects[:1]}, answer(hit)))
    assert MISSED in colours(NAMED.draw(row, answer()))
    bare = {"image": row["image"]}
    assert not {RIGHT, WRONG, MISSED} & colours(NAMED.draw(bare, answer(hit)))
    assert NAMED.draw(bare, answer()).size == (480, 480)


def colours(image):
    found = np.unique(np.asarray(image).reshape(-1, 3), axis=0)
    return {"#" + bytes(colour.tolist()).hex() for colour in found}


def test_processors_that_keep_the_shape_of_an_image_are_made_square():
    detr = DetrImageProcessorPil(size={"shortest_edge": 48, "longest_edge": 80}, image_mean=[0.1, 0.2, 0.3])
    made = square(detr)
    assert dict(made.size) == {"height": 48, "width": 48}
    assert (made.image_mean, made.image_std) == ((0.1, 0.2, 0.3), detr.image_std)
    table = scene_table(2, width=80, height=40).drop_columns(["objects"])
    assert PROBLEM.encode(table, detr).features.shape == (2, 3, 48, 48)
    own = ViTImageProcessorPil(size={"height": 20, "width": 20})
    assert square(own) is own
    assert encoded(table).features.shape == (2, 3, 32, 32)
