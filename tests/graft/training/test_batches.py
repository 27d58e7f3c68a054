import torch
from hypothesis import given
from hypothesis import strategies as st

from graft.training.batches import rows_of_step, steps_per_epoch

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


def test_the_order_of_an_epoch_is_drawn_once(monkeypatch):
    drawn, randperm = [], torch.randperm
    monkeypatch.setattr(torch, "randperm", lambda *size, **options: drawn.append(size) or randperm(*size, **options))
    for step in range(2 * steps_per_epoch(1234, 10)):
        rows_of_step(step, 1234, 10, seed=77)
    assert len(drawn) == 2
