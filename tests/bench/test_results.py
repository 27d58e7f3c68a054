import pytest
from pydantic import ValidationError

from bench.results import RESULTS, read, write


def test_a_result_comes_back_as_it_was_written(result, tmp_path):
    path = write(result, tmp_path)
    assert path == tmp_path / "input.json"
    assert read(path) == result
    assert [entry.name for entry in tmp_path.iterdir()] == ["input.json"]


def test_a_result_of_a_gpu_replaces_none_of_a_cpu(result, tmp_path):
    on_gpu = result.model_copy(update={"machine": result.machine.model_copy(update={"gpu": "abacus"})})
    assert write(result, tmp_path) != write(on_gpu, tmp_path)


def test_a_result_with_an_unknown_key_is_refused(result, tmp_path):
    path = write(result, tmp_path)
    path.write_text(path.read_text().replace('"repeats"', '"repetitions"'))
    with pytest.raises(ValidationError, match="repetitions"):
        read(path)


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_what_is_committed_are_results_of_at_least_five_repeats(path):
    result = read(path)
    assert path.stem == result.name
    assert result.repeats >= 5
    assert all(len(one.seconds) == (1 if one.once else result.repeats) for one in result.comparisons)
    assert not result.comparisons or not all(one.once for one in result.comparisons)
