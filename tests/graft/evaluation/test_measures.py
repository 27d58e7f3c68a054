import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graft.evaluation.measures import fitted_temperature, plain


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
