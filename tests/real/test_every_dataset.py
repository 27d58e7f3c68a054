"""Every real dataset goes the whole way of its ready catalogue, and what is trained beats the trivial answer."""

import pytest

from bench.catalogues import PROJECT, find
from bench.problems import measure

RUNS = find()


@pytest.mark.real
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.target)
def test_a_trained_model_is_better_than_the_trivial_answer(run):
    # In the benchmark's own project, where what has run on the same code, entries and rows does not run again: a run of
    # hours can be stopped, and goes on.
    if (missing := run.needs) is not None:
        pytest.skip(f"{missing} is not there")
    row = measure(run, run.open(PROJECT))
    assert row.learned, f"{row.transfer} against {row.trivial}: {row.trivial_words}"
