"""What docs/operations.md says about a backup, word for word."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from graft.registry import audit, open_registry, publish

PAGE = Path(__file__).parents[3] / "docs" / "operations.md"
RCLONE = Path(sys.executable).with_name("rclone")


@pytest.fixture
def registry(tmp_path, make_package, candidate, monkeypatch):
    """A registry in a folder, as the working directory has it, with two versions."""
    monkeypatch.chdir(tmp_path)
    registry = open_registry("registry")
    publish(registry, candidate(make_package("one", [True] * 10 + [False] * 10)))
    publish(registry, candidate(make_package("two", [True] * 20)))
    return registry


def copy():
    """Yield after each of the page's commands has run."""
    commands = re.findall(r"^rclone (copy .+)$", PAGE.read_text(), re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        subprocess.run([RCLONE, *shlex.split(command), "--config", "/notfound"], check=True, capture_output=True)
        yield


def restore():
    """Put the backup in the place of the registry and return that."""
    shutil.rmtree("registry")
    Path("backup").rename("registry")
    return open_registry("registry")


def test_a_registry_comes_back_from_its_backup_with_every_version(registry):
    before = [(state.model, state.history) for state in registry.models()]
    assert len([*copy()]) == 2
    after = restore()
    assert [(state.model, state.history) for state in after.models()] == before
    assert after.show("words@champion").number == 2
    assert not any(found.faults for found in audit(after))


def test_a_backup_taken_while_somebody_publishes_names_no_package_that_it_lacks(registry, make_package, candidate):
    for number, _ in enumerate(copy()):
        publish(registry, candidate(make_package(f"new-{number}", [True] * (18 + number))))
    after = restore()
    assert [version.number for version in after.models()[0].versions] == [1, 2]
    assert not any(found.faults for found in audit(after))
