import json
import sys
from types import ModuleType

import pytest

import bench
from bench import __main__ as program
from bench.harness import Comparison, Runner
from bench.results import Guard, read


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """Return a function that runs the program on a benchmark whose guard holds or not."""

    def go(holds):
        def comparisons(quick):
            guard = Guard(name="sums equal", found="all", holds=holds)
            yield Comparison("Sums", "3 numbers", 1, "sums", Runner("graft", str), (Runner("a", str),), lambda _: guard)

        module = ModuleType("fake")
        module.TITLE, module.METHOD, module.comparisons = "Sums", "By hand.", comparisons
        monkeypatch.setitem(sys.modules, "fake", module)
        monkeypatch.setitem(bench.BENCHMARKS, "fake", "fake")
        monkeypatch.setattr(program, "QUICK", tmp_path)
        return program.main(["fake", "--quick"])

    return go


@pytest.mark.parametrize(("holds", "code"), [(True, 0), (False, 1)])
def test_the_exit_code_says_whether_every_guard_holds(fake, holds, code, capsys, tmp_path):
    assert fake(holds) == code
    assert ("VIOLATED, sums equal: all" in capsys.readouterr().out) is not holds
    [path] = tmp_path.glob("fake*.json")
    assert read(path).holds is holds  # a result whose guard does not hold is written too


def test_a_quick_run_leaves_results_and_page_alone(fake, monkeypatch):
    def fail(*arguments):
        raise AssertionError

    monkeypatch.setattr("bench.page.write", fail)
    assert fake(True) == 0


def test_a_result_names_its_machine(fake, tmp_path):
    fake(True)
    [path] = tmp_path.glob("fake*.json")
    machine = json.loads(path.read_text())["machine"]
    assert machine["cpu"]
    assert machine["cores"] >= 1
    assert machine["threads"] >= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inptu"], "no benchmark inptu; there are input, orchestration"),
        (["--repeats", "4"], "4 repeats make no result; at least 5, or --quick"),
        (["--quick", "--repeats", "0"], "0 repeats make no result"),
    ],
)
def test_what_cannot_be_run_is_said_before_anything_runs(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        program.main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_the_list_names_every_benchmark(capsys):
    assert program.main(["--list"]) == 0
    assert capsys.readouterr().out.split() == list(bench.BENCHMARKS)
