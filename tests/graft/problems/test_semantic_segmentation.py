"""Masks: how they are read, what is wrong with them, what they are worth, and how an answer is kept."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchmetrics.functional.classification import multiclass_jaccard_index

from graft.catalog import Checks, Data, Pretraining, Shift
from graft.checks.check import check
from graft.errors import DataError
from graft.problems import PROBLEMS
from graft.problems.examples import Examples
from graft.problems.masks import pack, unpack
from graft.reading import inspect, open_mask, read, read_shift
from tests.masks import disc_table, discs, png, write_discs

PROBLEM = PROBLEMS["semantic-segmentation"]


def answers(masks, classes=2):
    return pack(np.asarray(masks), classes)


@given(st.integers(2, 256), st.integers(1, 9), st.integers(1, 30), st.integers(0, 99))
def test_a_packed_mask_is_the_mask(classes, height, width, seed):
    masks = np.random.default_rng(seed).integers(0, classes, (2, height, width))
    packed = pack(masks, classes)
    assert packed.dtype == np.float32
    for row, mask in zip(packed, masks, strict=True):
        found, count = unpack(row)
        assert count == classes
        assert (found == mask).all()
    padded = np.concatenate([packed[0], [np.nan] * 5]).astype(np.float32)  # as beside masks of another side
    assert (unpack(padded)[0] == masks[0]).all()


def test_mean_iou_is_that_of_all_pixels_and_void_does_not_count():
    rng = np.random.default_rng(0)
    truth, said = rng.integers(0, 3, (6, 8, 8)), rng.integers(0, 3, (6, 8, 8))
    truth[:, :2] = 255
    found = PROBLEM.grade(answers(said, 3), truth)
    assert found.earned.shape == (1, 6, 3)
    expected = multiclass_jaccard_index(torch.tensor(said), torch.tensor(truth), 3, ignore_index=255)
    measured = PROBLEM.measure(answers(said, 3), truth)
    assert found.mean == measured["mean_iou"] == pytest.approx(float(expected))
    both = [((said == c) & (truth == c)).sum() for c in range(3)]
    sums = [((said == c) & (truth != 255)).sum() + (truth == c).sum() for c in range(3)]
    assert measured["dice"] == pytest.approx(np.mean([2 * one / of for one, of in zip(both, sums, strict=True)]))
    assert measured["pixel_accuracy"] == pytest.approx((said == truth)[truth != 255].mean())


def test_the_loss_is_that_of_transformers_and_its_weight_the_pixels_it_is_the_mean_of():
    logits = torch.randn((2, 3, 4, 4), generator=torch.Generator().manual_seed(0))
    labels = torch.randint(0, 3, (2, 16, 16), generator=torch.Generator().manual_seed(1))
    labels[0, :4] = 255
    enlarged = torch.nn.functional.interpolate(logits, size=(16, 16), mode="bilinear", align_corners=False)
    expected = torch.nn.functional.cross_entropy(enlarged, labels, ignore_index=255)
    assert float(PROBLEM.loss(logits, labels, 0.0)) == pytest.approx(float(expected))
    assert PROBLEM.weigh(labels) == 2 * 16 * 16 - 4 * 16
    void = torch.full_like(labels, 255)
    assert (PROBLEM.weigh(void), float(PROBLEM.loss(logits, void, 0.0))) == (0, 0.0)
    said = PROBLEM.answer(logits, void).numpy()  # the side is known where the truth is not
    assert (unpack(said[1])[0] == enlarged.argmax(1)[1].numpy()).all()


def test_masks_are_resized_as_their_images_without_any_new_index():
    table = disc_table(4)
    processor = PROBLEM.make_processor(table, {"num_channels": 1}, Pretraining(image_size=24))
    examples = PROBLEM.encode(table, processor)
    assert examples.labels.shape == (4, 24, 24)
    assert set(np.unique(examples.labels)) == {0, 1}
    first = open_mask(table["mask"][0].as_py())
    assert (examples.labels[0] == np.asarray(Image.fromarray(first).resize((24, 24), Image.Resampling.NEAREST))).all()
    bright = examples.features[0, 0][examples.labels[0] == 1].mean()
    assert bright > examples.features[0, 0][examples.labels[0] == 0].mean() + 60
    asked = PROBLEM.encode(table.drop_columns(["mask"]), processor)
    assert (asked.labels == 255).all()
    assert asked.labels.shape == (4, 24, 24)


def test_two_folders_are_read_as_pairs_and_255_is_the_second_of_two_classes(tmp_path):
    write_discs(tmp_path / "a", 10)
    write_discs(tmp_path / "b", 10, ones=255)
    one, other = (read(Data(path=str(tmp_path / name)), PROBLEM) for name in "ab")
    assert one.labels == other.labels == ("0", "1")
    for split, table in one.splits.items():
        cells = [found.splits[split]["mask"].to_pylist() for found in (one, other)]
        masks = [[open_mask(cell).tolist() for cell in each] for each in cells]
        assert masks[0] == masks[1]
        assert table["file"].to_pylist()[0].startswith("images/")
    found = inspect(tmp_path / "a", labelled=True)
    assert (found.problem, found.rows) == ("semantic-segmentation", 10)


def test_the_content_of_a_mask_is_part_of_the_fingerprint_and_its_place_is_not(tmp_path):
    write_discs(tmp_path / "a", 6)
    write_discs(tmp_path / "b", 6)
    one, same = (read(Data(path=str(tmp_path / name)), PROBLEM).fingerprint for name in "ab")
    assert one == same
    (tmp_path / "b/masks/03.png").write_bytes((tmp_path / "b/masks/04.png").read_bytes())
    assert read(Data(path=str(tmp_path / "b")), PROBLEM).fingerprint != one


def test_classes_have_the_names_of_their_file_and_void_stays_void(tmp_path):
    write_discs(tmp_path, 6)
    mask = open_mask({"bytes": (tmp_path / "masks/02.png").read_bytes(), "path": None}).copy()
    mask[0] = 255
    (tmp_path / "masks/02.png").write_bytes(png(mask))
    (tmp_path / "classes.txt").write_text("ground\ndisc\nring\n")
    found = read(Data(path=str(tmp_path)), PROBLEM)
    assert found.labels == ("ground", "disc", "ring")
    everything = [open_mask(cell) for table in found.splits.values() for cell in table["mask"].to_pylist()]
    assert sorted({*np.unique(everything).tolist()}) == [0, 1, 255]
    summary = check("x", "source", found, PROBLEM, Checks(max_void_share=0.05)).summary
    (void,) = [one for one in summary["expectations"] if one["name"] == "void"]
    assert (void["success"], void["offending"]) == (False, 1)
    assert summary["features"]["void_share"]["largest"] == pytest.approx(16 / 256, abs=1e-3)


def test_everything_wrong_with_masks_is_said_at_once_with_its_place(tmp_path):
    write_discs(tmp_path, 12)
    folder = tmp_path / "masks"
    (folder / "00.png").write_bytes(png(np.zeros((8, 16))))
    (folder / "01.png").write_bytes(png(np.zeros((16, 16, 3))))
    (folder / "02.png").write_bytes((folder / "02.png").read_bytes()[:60])
    stream = io.BytesIO()
    Image.new("L", (16, 16)).save(stream, "JPEG")
    (folder / "03.png").write_bytes(stream.getvalue())
    (folder / "04.png").write_bytes(png(np.full((16, 16), 7)))
    (tmp_path / "classes.txt").write_text("ground\ndisc")
    with pytest.raises(DataError) as error:
        read(Data(path=str(tmp_path)), PROBLEM)
    said = "\n".join(error.value.problems)
    assert len(error.value.problems) == 5
    for part in (
        "images/00.png: the mask is 16 x 8 pixels, its image 16 x 16",
        "images/01.png: ", "its mode is RGB", "images/02.png: ", "JPEG does not keep indices",
        "images/04.png: the mask holds index 7; the classes are ground, disc (255 is void)",
    ):  # fmt: skip
        assert part in said


def test_images_and_masks_without_the_other_are_named(tmp_path):
    write_discs(tmp_path, 5)
    (tmp_path / "masks/00.png").unlink()
    (tmp_path / "images/04.png").unlink()
    with pytest.raises(DataError) as error:
        read(Data(path=str(tmp_path)), PROBLEM)
    assert [*error.value.problems] == ["images/00.png: no mask of that name", "masks/04.png: no image of that name"]


def test_indices_with_gaps_need_names(tmp_path):
    write_discs(tmp_path, 5, ones=9)
    with pytest.raises(DataError, match=r"the training masks hold indices 0, 9; expected 0, 1 .* classes.txt"):
        read(Data(path=str(tmp_path)), PROBLEM)


def test_a_shift_set_is_held_against_the_targets_classes(tmp_path):
    write_discs(tmp_path / "a", 4, ones=255)
    write_discs(tmp_path / "b", 4, ones=3)
    found = read_shift(Shift(path=str(tmp_path / "a")), PROBLEM, ("ground", "disc"))
    assert found.labels == ("ground", "disc")
    assert found.splits["test"].num_rows == 4
    assert max(open_mask(cell).max() for cell in found.splits["test"]["mask"].to_pylist()) == 1
    with pytest.raises(DataError, match="index 3; the classes are ground, disc of the target"):
        read_shift(Shift(path=str(tmp_path / "b")), PROBLEM, ("ground", "disc"))


def test_an_answer_is_drawn_and_written_in_the_size_of_its_image():
    (picture, mask), row = next(discs(1)), disc_table(1).to_pylist()[0]
    large = {"image": {"bytes": png(np.kron(picture, np.ones((2, 3), np.uint8))), "path": None}}
    (packed,) = answers(mask[None])
    written = PROBLEM.pictures(large, packed)["mask"]
    assert (written.size, written.mode) == ((48, 32), "P")
    assert (np.asarray(written) == np.kron(mask, np.ones((2, 3), np.uint8))).all()
    right, wrong = (np.asarray(PROBLEM.draw(row, one)) for one in answers(np.stack([mask, 0 * mask])))
    blue = right[..., 2].astype(int) - right[..., 0]
    inside = np.kron(mask, np.ones((20, 20), np.uint8)).astype(bool)
    assert blue[inside].mean() > 40 > abs(blue[~inside].mean())
    assert (wrong == 255).all(axis=-1).any()  # the outline of what was missed
    bare = np.asarray(PROBLEM.draw({"image": row["image"]}, packed))
    assert not (bare == 255).all(axis=-1).any()


@pytest.mark.parametrize(
    ("names", "disc", "ground"),
    [
        (("ground", "disc"), "disc 12.5%", "nothing but ground"),
        (("0", "1"), "class 1 12.5%", "nothing but class 0"),
        ((), "class 1 12.5%", "nothing but class 0"),
    ],
)
def test_an_answer_names_its_classes_where_the_data_do(names, disc, ground):
    masks = np.zeros((2, 16, 16), dtype=np.uint8)
    masks[0, :2] = 1
    examples = Examples(np.zeros((2, 1, 16, 16), np.uint8), masks)
    assert PROBLEM.named(names).predict(answers(masks), examples) == [{"covered": disc}, {"covered": ground}]


def test_masks_that_differ_in_few_pixels_are_the_same_answer():
    mask = np.zeros((3, 40, 40), dtype=np.uint8)
    mask[1, 0, :3] = 1
    mask[2, :5] = 1
    one, near, far = answers(mask)
    assert PROBLEM.same(one, near)
    assert not PROBLEM.same(one, far)
    assert not PROBLEM.same(one, one[:-1])
