"""dvc.yaml against the code: what a stage watches is what its step imports."""

from pathlib import Path

import grimp
import pytest
from ruamel.yaml import YAML

STEPS = {
    "check-source": "graft.steps.check",
    "check-target": "graft.steps.check",
    "pretrain": "graft.steps.pretrain",
    "adapt": "graft.steps.adapt",
    "evaluate": "graft.steps.evaluate",
}
DISPATCHER = "graft.steps.__main__"
# Packages whose __init__ holds nothing but a docstring or a version: no reason to run a stage again.
INERT = {"graft", "graft.steps"}
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def stages():
    return YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]


@pytest.fixture(scope="module")
def imports():
    """Every module that a step imports, wherever in the file, but for imports that only type checkers see."""
    graph = grimp.build_graph("graft", exclude_type_checking_imports=True, cache_dir=None)

    def find(step: str) -> set[str]:
        roots = {STEPS[step], DISPATCHER}
        return roots.union(*(graph.find_upstream_modules(root) for root in roots)) - INERT

    return find


def watched(stage) -> set[str]:
    return {dep for dep in stage["do"]["deps"] if dep.startswith("graft/")}


def covers(dep: str, module: str) -> bool:
    path = module.replace(".", "/")
    return dep in (f"{path}.py", path) or path.startswith(f"{dep}/")


@pytest.mark.parametrize("step", STEPS)
def test_a_stage_watches_everything_its_step_imports(step, stages, imports):
    unseen = {module for module in imports(step) if not any(covers(dep, module) for dep in watched(stages[step]))}
    assert not unseen


@pytest.mark.parametrize("step", STEPS)
def test_a_stage_watches_nothing_its_step_does_not_import(step, stages, imports):
    idle = {dep for dep in watched(stages[step]) if not any(covers(dep, module) for module in imports(step))}
    assert not idle


@pytest.mark.parametrize("step", STEPS)
def test_what_a_stage_watches_exists(step, stages):
    assert not {dep for dep in watched(stages[step]) if not (ROOT / dep).exists()}


def test_only_the_verdict_depends_on_how_reports_look(stages):
    assert {step for step in STEPS if "graft/report" in watched(stages[step])} == {"evaluate"}


def test_checks_run_before_any_training(stages):
    for step in ("check-source", "check-target"):
        assert not {"graft/training", "graft/backbones"} & watched(stages[step])
        assert not any(dep.startswith("checkpoints/") for dep in stages[step]["do"]["deps"])


def test_training_waits_for_what_a_check_found_and_not_for_when_it_ran(stages):
    for step, kind in (("pretrain", "sources"), ("adapt", "targets")):
        found = [dep for dep in stages[step]["do"]["deps"] if dep.startswith("checks/")]
        assert found == [f"checks/{kind}/${{key}}/check.json"]


def test_no_training_depends_on_what_only_evaluation_asks(stages):
    for step in ("pretrain", "adapt"):
        assert not {"graft/corruptions", "graft/evaluation", "checks/shifts/${key}"} & set(stages[step]["do"]["deps"])
    assert "checks/shifts/${key}" in stages["evaluate"]["do"]["deps"]


def test_gates_and_evaluation_make_the_evaluation_stale_and_nothing_else(stages):
    """DVC refuses an optional key that is not there, so the evaluation watches the whole of its target."""
    whole = {name for name in STEPS if "targets.${key}" in stages[name]["do"]["params"]}
    assert whole == {"evaluate"}
    named = ("gates", "evaluation")
    assert not [name for name in STEPS for param in stages[name]["do"]["params"] if param.endswith(named)]


def test_every_output_is_cached_so_that_another_clone_can_restore_it(stages):
    kinds = ("outs", "metrics", "plots")
    entries = [entry for stage in stages.values() for kind in kinds for entry in stage.get("do", stage).get(kind, [])]
    assert entries
    assert not [
        entry for entry in entries if isinstance(entry, dict) and not next(iter(entry.values())).get("cache", True)
    ]
