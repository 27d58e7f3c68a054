"""Every real dataset goes the whole way of its ready catalogue, and what is trained beats the trivial answer."""

import pytest

from bench.catalogues import find
from bench.problems import measure

RUNS = find()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One project for all, as the benchmark has it: sources that several targets share are trained once."""
    return tmp_path_factory.mktemp("real")


@pytest.mark.real
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.target)
def test_a_trained_model_is_better_than_the_trivial_answer(run, folder):
    if (missing := run.needs) is not None:
        pytest.skip(f"{missing} is not there")
    row = measure(run, run.open(folder))
    assert row.learned, f"{row.transfer} against {row.trivial}: {row.trivial_words}"
