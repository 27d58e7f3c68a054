"""A clock that jumps an hour ahead and an hour back, again and again: nothing waits by it, nothing is ordered by it."""

import ast
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from graft.errors import Fenced
from graft.manifest import sha256
from graft.registry import Registry, events
from graft.registry.events import Registered
from graft.storage import LocalStore
from tests.graft.steps.test_killed import project  # noqa: F401 -- a fixture

ROOT = Path(__file__).parents[2]
HOURS = (0, 1, -1, 0, -1, 1)
JUMPY = """
import datetime, itertools, time
import graft.manifest, graft.registry.events
hours = itertools.cycle([0, 1, -1, 0, -1, 1])
before, Before = time.time, datetime.datetime
time.time = lambda: before() + 3600 * next(hours)
class Jumpy(Before):
    @classmethod
    def now(cls, tz=None):
        return Before.now(tz) + datetime.timedelta(hours=next(hours))
graft.manifest.datetime = graft.registry.events.datetime = Jumpy  # libraries in C do not bear another class
open("jumps.txt", "a").write("jumps\\n")
"""
"""What Python runs first: each look at the wall clock finds another hour."""


def train(folder, **more):
    environment = os.environ | {"GRAFT_CHECKPOINT_SECONDS": "0.1", "GRAFT_DEVICE": "cpu"} | more
    command = [sys.executable, "-m", "graft.steps", "pretrain", "s"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return sha256(folder / "checkpoints" / "s" / "model.safetensors")


def test_a_training_ends_in_the_same_weights_by_a_clock_that_jumps(project, tmp_path):  # noqa: F811
    steady = shutil.copytree(project, tmp_path / "steady")
    (tmp_path / "jumpy").mkdir()
    (tmp_path / "jumpy" / "sitecustomize.py").write_text(JUMPY)
    path = os.pathsep.join([str(tmp_path / "jumpy"), str(ROOT)])
    assert train(project, PYTHONPATH=path) == train(steady, PYTHONPATH=str(ROOT))
    assert (project / "jumps.txt").exists()


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A registry whose writers' clocks jump between any two events."""
    hours = iter(HOURS * 20)

    class Jumpy(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(hours=next(hours))

    monkeypatch.setattr(events, "datetime", Jumpy)
    return Registry(LocalStore(tmp_path / "registry"), tmp_path / "cache")


def test_the_order_of_events_is_that_of_their_numbers(registry, tmp_path):
    for number in range(12):
        registry.claim("words", f"run {number}")
    history = registry.history("words")
    assert [event.run for event in history] == [f"run {number}" for number in range(12)]
    times = [event.when for event in history]
    assert times != sorted(times)  # the clock did jump
    other = Registry(LocalStore(tmp_path / "registry"), tmp_path / "elsewhere")
    assert other.history("words") == history
    assert other.state("words").claim.number == 12


def test_the_newest_claim_holds_although_an_older_one_looks_later(registry):
    first = registry.claim("words", "first")
    while (second := registry.claim("words", "second")).when > first.when:
        first = second
    about = {"model": "words", "version": 1, "reason": "r", "who": "w", "when": datetime.now(UTC), "claim": first.claim}
    event = Registered(**about, digest="0" * 64, package="models/words/0", metrics={})
    with pytest.raises(Fenced, match="run 'second' took over"):
        registry.append("words", lambda state: event)


def test_nothing_that_waits_looks_at_the_wall_clock():
    """`time.monotonic` does not jump. The one exception asks how old a file is, whose time is of the wall clock."""
    found = set()
    for path in [path for ring in ("graft", "tasks", "flows") for path in (ROOT / ring).rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Attribute)
                and node.attr in ("time", "time_ns")
                and ast.unparse(node.value) == "time"
            ):
                found.add(path.relative_to(ROOT).as_posix())
    assert found == {"flows/probes.py"}
