"""A disk that is really full: one message, nothing half-written, and with room the work goes on."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.faults.disk import SCENARIOS, command_for
from tests.graft.steps.test_killed import project  # noqa: F401 -- a fixture
from tests.tasks.conftest import template  # noqa: F401 -- a fixture


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_full_disk(name, project, template, tmp_path):  # noqa: F811
    small = tmp_path / "small"
    small.mkdir()
    shutil.copytree(template, tmp_path / "checkout")
    (tmp_path / "checkout" / "input.txt").write_text("hello" * 20_000)
    command, extra = command_for(name, small)
    environment = os.environ | extra | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
