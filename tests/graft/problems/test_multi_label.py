"""Sets of labels: how they are read, what is wrong with them, what answers are worth and how they are told."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torchmetrics.functional.classification import multilabel_auroc, multilabel_f1_score

from graft.backbones import build
from graft.catalog import Checks, Data, Shift
from graft.checks.check import check
from graft.checks.label_sets import SET
from graft.errors import DataError
from graft.problems import PROBLEMS
from graft.reading import inspect, read, read_shift
from tests.conftest import RESNET

PROBLEM = PROBLEMS["multi-label-image-classification"]
SINGLE = PROBLEMS["image-classification"]


def picture(seed):
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def write(folder, train, test, first=0):
    """Write parquet files of pictures with these sets of labels, each picture another one."""
    folder.mkdir(exist_ok=True)
    for name, sets, start in (("train", train, first), ("test", test, first + 500)):
        cells = [{"bytes": picture(start + row), "path": None} for row in range(len(sets))]
        pq.write_table(pa.table({"image": cells, "labels": sets}), folder / f"{name}.parquet")
    return folder


def asked(path, **data):
    return read(Data(path=str(path), **data), PROBLEM)


@pytest.mark.parametrize("sign", ["|", ";"])
def test_a_table_of_text_has_names_with_a_sign_between_them(tmp_path, sign):
    for row in range(4):
        (tmp_path / f"{row}.png").write_bytes(picture(row))
    sets = (f"mass{sign} cyst", "cyst", "", f"cyst{sign}mass")
    lines = [f"{row}.png,{one},{'train' if row < 3 else 'test'}" for row, one in enumerate(sets)]
    (tmp_path / "rows.csv").write_text("\n".join(["image,labels,split", *lines]) + "\n")
    dataset = asked(tmp_path / "rows.csv")
    assert dataset.labels == ("cyst", "mass")
    assert dataset.splits["train"]["labels"].to_pylist() == [[1, 1], [1, 0], [0, 0]]
    assert dataset.splits["test"]["labels"].to_pylist() == [[1, 1]]
    found = inspect(tmp_path / "rows.csv", labelled=True)
    assert (found.problem, found.columns) == (PROBLEM.name, {"image": "image", "labels": "labels"})


def test_lists_of_names_or_of_numbers_are_read_and_a_column_of_one_label_stays_what_it_was(tmp_path):
    assert asked(write(tmp_path / "a", [["b", "a"], [], None], [["a"]])).labels == ("a", "b")
    assert asked(write(tmp_path / "b", [[10], [9, 2]], [[2]])).labels == ("2", "9", "10")
    assert inspect(write(tmp_path / "c", [["b", "a"], []], [["a"]]), labelled=True).problem == PROBLEM.name
    assert inspect(write(tmp_path / "d", ["a", "b"] * 3, ["a", "b"]), labelled=True).problem == SINGLE.name


def test_everything_wrong_with_any_set_is_said_at_once_with_its_row(tmp_path):
    with pytest.raises(DataError) as caught:
        asked(write(tmp_path, [["a"], ["b", "b"], ["", "a"], ["a|b"]], [["a"]]))
    assert [*caught.value.problems] == [
        "train.parquet, row 2: 'labels': 'b' is there more than once",
        "train.parquet, row 3: 'labels': '' is no label; expected a list of names, or names with | or ; between them",
        "train.parquet, row 4: 'labels': 'a|b' holds '|', which stands between names",
    ]


def test_names_that_no_training_row_has_are_refused_unless_they_are_declared(tmp_path):
    folder = write(tmp_path, [["a"], ["b"]], [["a", "c"], ["d"]])
    with pytest.raises(DataError) as caught:
        asked(folder)
    assert [*caught.value.problems] == [
        "test.parquet, row 1: no label 'c'; the labels are a, b",
        "test.parquet, row 2: no label 'd'; the labels are a, b",
    ]
    (folder / "classes.txt").write_text("d\nc\nb\na\n")
    assert asked(folder).labels == ("d", "c", "b", "a")


def test_without_any_label_there_is_nothing_to_learn(tmp_path):
    with pytest.raises(DataError, match="no training row has any label"):
        asked(write(tmp_path, [[], []], [[]]))


def test_a_shift_set_has_the_labels_of_its_target(tmp_path):
    other = write(tmp_path / "other", [["b"]], [["a", "x"]])
    with pytest.raises(DataError, match="no label 'x'; the labels of the target are a, b"):
        read_shift(Shift(path=str(other)), PROBLEM, ("a", "b"))
    same = write(tmp_path / "same", [["b"]], [["b"]], 50)
    assert read_shift(Shift(path=str(same)), PROBLEM, ("a", "b")).splits["test"]["labels"].to_pylist() == [[0, 1]]


def test_checks_count_rows_without_labels_and_labels_that_nothing_can_be_learned_of(tmp_path):
    folder = write(tmp_path, [["all", "some"], ["all"], ["all", "some"]], [["all", "rare"], []])
    (folder / "classes.txt").write_text("all\nrare\nsome\n")
    found = check("t", "target", asked(folder), PROBLEM, Checks()).summary
    assert found["balance"]["train"] == {"all": 3, "rare": 0, "some": 2, "(none)": 0}
    assert found["balance"]["test"] == {"all": 1, "rare": 1, "some": 0, "(none)": 1}
    assert found["facts"]["unlabelled_rows"] == 1
    rule = next(one for one in found["expectations"] if one["name"] == "one-sided")
    assert (rule["success"], rule["observed"], rule["severity"]) == (False, 2, "warning")
    assert [row["what"].split("; ", 1)[1] for row in rule["rows"]] == [
        "'rare' is on no training row", "'all' is on every training row",
    ]  # fmt: skip


def test_one_picture_with_two_sets_is_a_conflict(tmp_path):
    folder = write(tmp_path, [["a"], ["b"]], [["a"], ["b"]])
    rows = pq.read_table(folder / "train.parquet").to_pylist()
    pq.write_table(pa.Table.from_pylist([rows[0], {**rows[1], "image": rows[0]["image"]}]), folder / "train.parquet")
    checked = check("t", "target", asked(folder), PROBLEM, Checks())
    rule = next(one for one in checked.summary["expectations"] if one["name"] == "conflicts")
    assert rule["rows"][0]["what"].endswith(f"{SET}s a, b")


def answers(count=40, labels=3, seed=0):
    rng = np.random.default_rng(seed)
    truths = rng.random((count, labels)) < (0.2, 0.5, 0.8)
    return (rng.normal(0, 1, (count, labels)) + truths).astype(np.float32), truths.astype(np.float32)


def test_metrics_are_those_of_torchmetrics():
    given, truths = answers()
    found = PROBLEM.named(("a", "b", "c")).measure(given, truths)
    shares, true = torch.sigmoid(torch.tensor(given)), torch.tensor(truths).int()
    assert found["auroc"] == pytest.approx(float(multilabel_auroc(shares, true, 3)), abs=1e-6)
    each = multilabel_auroc(shares, true, 3, average="none")
    assert [found[f"auroc of {name}"] for name in "abc"] == pytest.approx(each.tolist(), abs=1e-6)
    for kind in ("macro", "micro"):
        assert found[f"{kind}_f1"] == pytest.approx(float(multilabel_f1_score(shares, true, 3, average=kind)))
    assert found["exact_match"] == pytest.approx(((given >= 0) == (truths > 0)).all(axis=1).mean())


def test_a_label_that_no_row_has_is_left_out_of_both_means():
    given, truths = answers()
    truths[:, 0], given[:, 0] = 0, -1
    for name in ("auroc", "macro_f1"):
        problem = PROBLEM.graded_by(name)
        assert problem.grade(given, truths).mean == pytest.approx(problem.grade(given[:, 1:], truths[:, 1:]).mean)
    assert "auroc of a" not in PROBLEM.named(("a", "b", "c")).measure(given, truths)


def test_the_worst_rows_are_those_with_most_labels_wrong():
    given = np.array([[1, -1, 1], [-1, -1, -1], [1, 1, 1]], np.float32)
    truths = np.array([[1, 0, 1], [0, 0, 0], [0, 0, 1]], np.float32)
    assert PROBLEM.grade_rows(given, truths).tolist() == pytest.approx([1, 1, 1 / 3])


def test_answers_are_told_by_their_names():
    problem = PROBLEM.named(("cyst", "mass"))
    given = np.array([[2.0, 3.0], [-1.0, -2.0]], np.float32)
    first, second = problem.tell(given, np.array([[1, 0], [0, 0]]))
    assert (first.expected, first.answered) == ("cyst", "cyst, mass")
    assert (second.expected, second.answered) == ("no label", "no label")
    said = problem.predict(given, None)
    assert [one["answer"] for one in said] == ["mass 0.953, cyst 0.881", "no label"]
    assert said[1]["probabilities"] == pytest.approx({"cyst": 0.268941, "mass": 0.119203}, abs=1e-5)


def test_the_loss_is_the_mean_binary_cross_entropy_of_rows_and_labels():
    logits, labels = torch.zeros(2, 3), torch.tensor([[1.0, 0, 1], [0, 0, 0]])
    assert float(PROBLEM.loss(logits, labels, 0.0)) == pytest.approx(np.log(2))
    assert PROBLEM.weigh(labels) == 6
    sure = torch.tensor([[9.0, -9, 9], [-9, -9, -9]])
    assert float(PROBLEM.loss(sure, labels, 0.0)) < 1e-3 < 0.4 < float(PROBLEM.loss(sure, labels, 0.1))


def test_a_configuration_says_what_kind_of_answer_its_own_head_gives():
    first = build(PROBLEM, RESNET, ("a", "b"), 0)
    assert first.config.problem_type == "multi_label_classification"
    from graft.backbones import renew_head

    assert renew_head(first, SINGLE, ("x", "y", "z"), 0).config.problem_type is None
