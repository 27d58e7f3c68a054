import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graft.evaluation.bootstrap import compare
from graft.evaluation.measures import fitted_temperature, known_gain, plain
from graft.evaluation.verdict import decide
from graft.problems.grades import Sums


def test_what_is_not_a_number_becomes_null_at_any_depth() -> None:
    given = {"a": float("nan"), "b": [np.float32("inf"), np.int64(3)], "c": {"d": (np.float64(0.5), None, "x", True)}}
    assert plain(given) == {"a": None, "b": [None, 3], "c": {"d": [0.5, None, "x", True]}}
    json.dumps(plain(given), allow_nan=False)


def test_temperature_comes_from_the_runs_held_out_predictions(tmp_path: Path) -> None:
    held = {"seed": [0] * 4, "label": [0, 1, 0, 1], "logits": [[9.0, 0], [9.0, 0], [9.0, 0], [0, 9.0]]}
    pq.write_table(pa.table(held), tmp_path / "held.parquet")
    assert fitted_temperature(tmp_path / "held.parquet") > 2  # sure of itself, and wrong once in four


def test_a_run_without_held_out_predictions_is_left_unscaled(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"label": pa.array([], pa.int64()), "logits": pa.array([], pa.list_(pa.float32()))}),
        tmp_path / "none.parquet",
    )
    assert fitted_temperature(tmp_path / "none.parquet") == 1.0


def graded(right: list[int], seeds: int = 2) -> Sums:
    return Sums.of(np.tile(np.array(right, dtype=np.float64), (seeds, 1)))


def test_four_rows_that_agree_do_not_show_that_two_models_are_as_good() -> None:
    for rows, verdict in ((4, "cannot-tell"), (300, "cannot-tell"), (500, "neutral")):
        same = graded([1, 1, 0, 1] * (rows // 4))
        gain = known_gain(compare(same, same), same, 0.95)
        assert decide(gain.low, gain.high, 0.01) == verdict, gain
    assert abs(known_gain(compare(graded([1] * 4), graded([1] * 4)), graded([1] * 4), 0.95).high - 0.602) < 1e-3


def test_four_rows_that_all_differ_do_not_show_a_gain_of_everything() -> None:
    ours, theirs = graded([1] * 4), graded([0] * 4)
    gain = known_gain(compare(ours, theirs), ours, 0.95)
    assert (gain.value, round(gain.low, 3), gain.high) == (1.0, 0.398, 1.0)


def test_an_interval_that_has_a_width_stays_what_it_is() -> None:
    ours, theirs = graded([1, 1, 0, 1]), graded([1, 0, 0, 1])
    found = compare(ours, theirs)
    assert known_gain(found, ours, 0.95) == found.gain
