import subprocess
import sys

import pytest

from bench import bare
from bench.orchestration import SOURCE, TARGET, _cpu_seconds, _digests, explain, guard_weights, share_of_ten_minutes
from bench.rows import build_bundled
from graft.settings import settings
from tests.conftest import RESNET

PARAMS = f"""
sources:
  {SOURCE}:
    problem: image-classification
    data: {{path: data/digits/source}}
    backbone: {{config: {str(RESNET).replace("'", '"').replace("False", "false")}}}
    pretraining: {{epochs: 1, image_size: 8}}
targets:
  {TARGET}:
    source: {SOURCE}
    problem: image-classification
    data: {{path: data/digits/target, labels_per_class: 4}}
    study: {{strategies: [top-1], seeds: 2, folds: 2, budget_steps: 4}}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text(PARAMS)
    build_bundled("digits", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRAFT_DEVICE", "cpu")
    settings.cache_clear()
    return tmp_path


def test_the_bare_script_ends_in_the_weights_of_the_steps(project):
    bare.main([f"pretrain@{SOURCE}", f"adapt@{TARGET}"])
    steps = _digests(project)
    (project / "runs").rename(project / "runs-of-the-steps")
    bare.main([])
    assert len(steps) == 6
    assert _digests(project) == steps


@pytest.mark.parametrize(("other", "holds"), [("a", True), ("b", False)])
def test_other_weights_in_any_run_are_noticed(other, holds):
    rounds = [{"graft": {"weights": {"m": "a"}}, "peer": {"weights": {"m": one}}} for one in ("a", other)]
    assert guard_weights(rounds).holds is holds


def test_no_weights_at_all_are_no_equal_weights():
    assert not guard_weights([{"graft": {"weights": {}}, "peer": {"weights": {}}}]).holds


def test_what_ours_takes_longer_is_stated_as_a_share_of_ten_minutes():
    assert share_of_ten_minutes(36.0, 30.0) == pytest.approx(0.01)


def test_times_are_explained_by_step_and_by_processor():
    rounds = [{"graft": {"cpu": 18.0, "steps": {"adapt": one}}, "bare": {"cpu": 12.0}} for one in (1.0, 5.0, 2.0)]
    assert explain(rounds) == {
        "seconds of each program": "adapt 2.0",
        "CPU seconds": "graft 18.0, bare 12.0",
        "by CPU seconds": "1.0 % of a ten-minute run, on cores that nobody else uses",
    }


def test_processor_time_is_that_of_the_children(tmp_path):
    before = _cpu_seconds()
    subprocess.run([sys.executable, "-c", "sum(range(10**6))"], check=True)
    assert 0 < _cpu_seconds() - before < 60
