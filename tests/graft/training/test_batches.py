import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from graft.training.batches import batches_in_order, choose_widths, rows_of_step, steps_per_epoch

SIZES = {"rows": st.integers(2, 200), "batch_size": st.integers(2, 64), "seed": st.integers(0, 10)}


@given(**SIZES)
def test_an_epoch_covers_every_row_once(rows, batch_size, seed):
    steps = steps_per_epoch(rows, batch_size)
    seen = [row for step in range(steps) for row in rows_of_step(step, rows, batch_size, seed)]
    assert sorted(seen) == list(range(rows))


@given(**SIZES)
def test_no_batch_is_too_large_or_a_single_row(rows, batch_size, seed):
    sizes = [len(rows_of_step(step, rows, batch_size, seed)) for step in range(steps_per_epoch(rows, batch_size))]
    assert max(sizes) <= batch_size
    assert min(sizes) >= min(rows, 2) or batch_size < 4


@given(**SIZES, step=st.integers(0, 50))
def test_a_step_has_the_same_rows_whenever_it_is_asked(rows, batch_size, seed, step):
    assert rows_of_step(step, rows, batch_size, seed) == rows_of_step(step, rows, batch_size, seed)


def test_epochs_and_seeds_have_different_orders():
    first = rows_of_step(0, 100, 100, 0)
    assert first != rows_of_step(1, 100, 100, 0)
    assert first != rows_of_step(0, 100, 100, 1)


LENGTHS = st.lists(st.integers(1, 300), min_size=2, max_size=200)


@given(lengths=LENGTHS, batch_size=st.integers(1, 32))
def test_a_width_holds_its_row_and_no_row_is_padded_beyond_the_longest(lengths, batch_size):
    widths = choose_widths(lengths, batch_size)
    assert (widths >= lengths).all()
    assert widths.max() == max(lengths)


@given(lengths=LENGTHS, batch_size=st.integers(1, 32))
def test_a_bucket_holds_two_batches_unless_that_would_double_a_width(lengths, batch_size):
    widths = choose_widths(lengths, batch_size)
    known, counts = np.unique(widths, return_counts=True)
    for lower, upper, count in zip(known, known[1:], counts[1:], strict=False):
        assert count >= 2 * batch_size or upper > 2 * lower


@given(lengths=LENGTHS, batch_size=st.integers(1, 32))
def test_no_row_is_padded_far_beyond_its_length(lengths, batch_size):
    widths = choose_widths(lengths, batch_size)
    grid = np.maximum(8, np.array(lengths) / 4)  # the widest step that such a length may fall into
    assert (widths <= 2 * (lengths + grid)).all()


def test_buckets_save_most_of_the_padding_and_few_long_rows_do_not_widen_the_others():
    lengths = [5] * 100 + [30] * 100 + [500] * 3
    widths = choose_widths(lengths, 4)
    assert sorted(set(widths.tolist())) == [8, 32, 500]
    assert (widths[:100] == 8).all()


def test_added_rows_leave_the_widths_of_the_others_as_they_are():
    lengths = np.random.default_rng(0).integers(3, 60, 400)
    grown = np.concatenate([lengths, np.random.default_rng(1).integers(3, 60, 40)])
    assert np.array_equal(choose_widths(grown, 16)[:400], choose_widths(lengths, 16))


@given(lengths=LENGTHS, batch_size=st.integers(1, 32), seed=st.integers(0, 5))
def test_an_epoch_of_buckets_covers_every_row_once_in_batches_of_one_width(lengths, batch_size, seed):
    widths = choose_widths(lengths, batch_size)
    steps = steps_per_epoch(len(lengths), batch_size, widths)
    batches = [rows_of_step(steps + step, len(lengths), batch_size, seed, widths) for step in range(steps)]
    assert sorted(row for rows in batches for row in rows) == list(range(len(lengths)))
    assert all(len(set(widths[rows].tolist())) == 1 and len(rows) <= batch_size for rows in batches)
    again = [rows_of_step(steps + step, len(lengths), batch_size, seed, widths) for step in reversed(range(steps))]
    assert again[::-1] == batches


def test_batches_of_buckets_are_drawn_anew_each_epoch():
    widths = choose_widths([4] * 40 + [20] * 40, 8)
    order = [[widths[rows_of_step(step, 80, 8, 0, widths)[0]] for step in range(10 * e, 10 * e + 10)] for e in (0, 1)]
    assert order[0] != order[1]
    assert order[0] != sorted(order[0])
    assert sorted(order[0]) == sorted(order[1])
    groups = [{frozenset(rows_of_step(10 * e + step, 80, 8, 0, widths)) for step in range(10)} for e in (0, 1)]
    assert groups[0] != groups[1]


@given(**SIZES, step=st.integers(0, 50))
def test_one_bucket_is_as_no_bucket(rows, batch_size, seed, step):
    same = np.full(rows, 12)
    assert rows_of_step(step, rows, batch_size, seed, same) == rows_of_step(step, rows, batch_size, seed)
    assert steps_per_epoch(rows, batch_size, same) == steps_per_epoch(rows, batch_size)


@given(rows=st.integers(2, 100), batch_size=st.integers(1, 40))
def test_no_row_is_alone_in_a_batch_in_order(rows, batch_size):
    batches = [batch for _, batch in batches_in_order(range(rows), batch_size)]
    assert [row for batch in batches for row in batch] == list(range(rows))
    assert batch_size == 1 or min(len(batch) for batch in batches) > 1
    assert max(len(batch) for batch in batches) <= batch_size + 1


def test_batches_in_order_go_width_by_width():
    widths = np.array([9, 4, 9, 4, 4])
    assert list(batches_in_order(range(5), 2, widths)) == [(4, [1, 3, 4]), (9, [0, 2])]


def test_the_order_of_an_epoch_is_drawn_once(monkeypatch):
    drawn, randperm = [], torch.randperm
    monkeypatch.setattr(torch, "randperm", lambda *size, **options: drawn.append(size) or randperm(*size, **options))
    for step in range(2 * steps_per_epoch(1234, 10)):
        rows_of_step(step, 1234, 10, seed=77)
    assert len(drawn) == 2
