import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graft.errors import DataError
from graft.reading import hold_out
from graft.reading.splitting import (
    choose_below,
    choose_groups,
    choose_per_class,
    choose_sample,
    choose_share,
    draw_order,
)

labels = st.lists(st.integers(0, 3), min_size=2, max_size=60).map(np.array)
shares = st.floats(0.05, 0.95)
seeds = st.integers(0, 2**32 - 1)


@given(labels, shares, seeds)
def test_holding_out_divides_every_row_once_and_keeps_their_order(truth, share, seed):
    table = pa.table({"label": truth, "row": np.arange(len(truth))})
    kept, held = hold_out(table, share, seed)
    rows = [kept["row"].to_pylist(), held["row"].to_pylist()]
    assert sorted(rows[0] + rows[1]) == list(range(len(truth)))
    assert all(part == sorted(part) and part for part in rows)


@given(labels, shares, seeds)
def test_a_share_is_stratified_and_leaves_a_row_of_every_class(truth, share, seed):
    held = choose_share(truth, share, seed)
    for label, count in zip(*np.unique(truth, return_counts=True), strict=True):
        chosen = int((truth[held] == label).sum())
        if count > 1:
            assert 1 <= chosen < count
            assert abs(chosen - share * count) <= 1
    assert np.array_equal(held, choose_share(truth, share, seed))


@given(labels, st.integers(1, 10), seeds)
def test_a_budget_takes_so_many_of_every_class(truth, count, seed):
    order = draw_order([bytes([row]) for row in range(len(truth))], seed)
    chosen = choose_per_class(truth, count, order)
    assert len(set(chosen.tolist())) == len(chosen)
    for label, size in zip(*np.unique(truth, return_counts=True), strict=True):
        assert (truth[chosen] == label).sum() == min(size, count)
    assert set(choose_per_class(truth, count - 1, order)) <= set(chosen)


@given(labels, shares, seeds)
def test_rows_that_are_added_move_no_other_row_to_the_other_side(truth, share, seed):
    keys = [bytes([row]) for row in range(2 * len(truth))]
    before = set(choose_below(truth, share, draw_order(keys[: len(truth)], seed)))
    after = set(choose_below(np.tile(truth, 2), share, draw_order(keys, seed)))
    moved = {row for row in before ^ after if row < len(truth)}
    for label in np.unique(truth):
        rows = {row for row in range(len(truth)) if truth[row] == label}
        lent = min(len(before & rows), len(rows - before)) <= 1  # a class may have had to give its one row, or keep it
        assert len(moved & rows) <= lent
    for label, count in zip(*np.unique(truth, return_counts=True), strict=True):
        if count > 1:
            assert 1 <= sum(truth[row] == label for row in before) < count


def test_a_share_of_many_rows_is_about_that_share_and_another_seed_another_draw():
    keys = [str(row).encode() for row in range(4000)]
    held = choose_below(np.arange(4000) % 4, 0.2, draw_order(keys, 0))
    assert 700 < len(held) < 900
    other = choose_below(np.arange(4000) % 4, 0.2, draw_order(keys, 1))
    assert 100 < len(set(held) & set(other)) < 220


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), min_size=2, max_size=60), shares, seeds)
def test_groups_stay_whole_and_every_class_keeps_training_rows(rows, share, seed):
    truth = np.array([label for label, _ in rows])
    groups = [f"group {group}" for _, group in rows]
    try:
        held = choose_groups(truth, groups, share, seed)
    except DataError:  # right only if every group holds the last rows of a class
        for group in set(groups):
            others = [label for label, name in zip(truth, groups, strict=True) if name != group]
            assert set(others) != set(truth.tolist())
        return
    kept = np.setdiff1d(np.arange(len(truth)), held)
    assert len(held)
    assert not {groups[row] for row in held} & {groups[row] for row in kept}
    assert set(truth[kept]) == set(truth)
    assert np.array_equal(held, choose_groups(truth, groups, share, seed))


def test_groups_come_near_the_share_of_every_class():
    truth = np.arange(400) % 4
    groups = [f"group {row // 10}" for row in range(400)]
    held = choose_groups(truth, groups, 0.3, seed=0)
    assert all(abs((truth[held] == label).mean() - 0.25) < 0.02 for label in range(4))
    assert len(held) == 120


def test_another_seed_divides_differently():
    truth = np.zeros(100, dtype=int)
    assert not np.array_equal(choose_share(truth, 0.5, 0), choose_share(truth, 0.5, 1))


def test_one_row_cannot_be_divided():
    with pytest.raises(DataError, match="1 row"):
        hold_out(pa.table({"text": ["alone"]}), 0.5, 0)


@given(labels, st.integers(1, 70), seeds)
def test_a_sample_is_of_that_size_and_has_of_every_class_its_share_but_for_a_row(truth, most, seed):
    chosen = choose_sample(truth, most, seed)
    assert len(chosen) == len(set(chosen)) == min(most, len(truth))
    assert chosen.tolist() == sorted(chosen) == choose_sample(truth, most, seed).tolist()
    for label, count in zip(*np.unique(truth, return_counts=True), strict=True):
        assert abs((truth[chosen] == label).sum() - count * len(chosen) / len(truth)) <= len(np.unique(truth)) / 2 + 1
