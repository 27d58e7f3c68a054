import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(f"bench.{path.stem}" for path in (ROOT / "bench").glob("*.py") if path.stem != "__init__")
ELSEWHERE = ("prefect", "dvc", "great_expectations", "tasks", "flows")


def test_no_benchmark_loads_what_a_gpu_machine_does_not_have():
    program = f"import sys, importlib\n[importlib.import_module(name) for name in {MODULES}]\n"
    program += f"print(sorted(set(sys.modules) & set({ELSEWHERE})))"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("bench", "graft", "flows", "tasks", include_external_packages=True, cache_dir=None)


@pytest.mark.parametrize("module", MODULES)
def test_no_benchmark_leads_there_by_an_import_inside_a_function(module, graph):
    assert not set(ELSEWHERE) & {name.partition(".")[0] for name in graph.find_upstream_modules(module)}


def test_an_import_inside_a_function_would_be_seen(graph):
    assert "great_expectations" in graph.find_upstream_modules("graft.checks.check")
