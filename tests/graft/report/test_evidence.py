import itertools

import numpy as np
import pyarrow as pa

from graft.problems import PROBLEMS
from graft.report.evidence import WORST, count_confusions, worst_mistakes
from graft.report.inputs import SENTENCE
from graft.report.network import draw

TEXT = PROBLEMS["text-classification"]


def test_confusions_are_counted_by_true_then_predicted_class() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    assert count_confusions(np.array([0, 0, 1]), probabilities).tolist() == [[1, 1], [1, 0]]


def test_mistakes_come_surest_first_with_file_and_row() -> None:
    table = pa.table(
        {"text": ["a", "b", "c"], "label": [0, 0, 1], "file": ["x.csv", "x.csv", "y.png"], "row": [4, 5, 0]}
    )
    probabilities = np.array([[0.3, 0.7], [0.9, 0.1], [0.8, 0.2]])
    first, second = worst_mistakes(table, probabilities, ["no", "yes"], TEXT)
    assert (first.text, first.label, first.predicted, first.place) == ("c", "yes", "no", "y.png")
    assert (second.text, second.probability, second.place) == ("a", 0.7, "x.csv, row 4")


def test_mistakes_are_few_and_long_texts_are_cut() -> None:
    rows = 3 * WORST
    table = pa.table({"text": ["x" * 1000] * rows, "label": [1] * rows, "file": ["f"] * rows, "row": range(rows)})
    found = worst_mistakes(table, np.tile([0.9, 0.1], (rows, 1)), ["a", "b"], TEXT)
    assert len(found) == WORST
    assert {len(mistake.text or "") for mistake in found} == {SENTENCE + 2}


def test_blocks_grow_with_parameters_and_never_overlap() -> None:
    groups = [{"name": name, "parameters": size} for name, size in (("stem", 10), ("block 1", 10_000), ("head", 0))]
    blocks = draw(groups, ["block 1"]).blocks
    assert [block.trained for block in blocks] == [False, True, False]
    assert blocks[1].height > blocks[0].height >= blocks[2].height > 0
    assert all(left.x + left.width < right.x for left, right in itertools.pairwise(blocks))
