import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack

import pytest

from graft.errors import BadInput
from graft.settings import settings
from tasks.devices import VISIBLE, device, lease, there


@pytest.fixture(autouse=True)
def _leases_of_this_test(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.mark.parametrize(
    ("named", "names"), [("0,1", ["0", "1"]), ("", []), ("-1", []), (" GPU-ab , 2", ["GPU-ab", "2"])]
)
def test_the_environment_says_which_devices_are_ours(named, names, monkeypatch):
    monkeypatch.setenv(VISIBLE, named)
    assert there() == names


def test_two_runs_get_two_devices_and_each_sees_its_own(monkeypatch):
    monkeypatch.setenv(VISIBLE, "0,1")
    with device(print) as first:
        assert os.environ[VISIBLE] == first == "0"
        with lease(["0", "1"], print) as second:
            assert second == "1"
    assert os.environ[VISIBLE] == "0,1"


def asked(monkeypatch, processes):
    monkeypatch.setenv("GRAFT_PROCESSES", str(processes))
    settings.cache_clear()


def test_a_run_in_several_processes_holds_as_many_devices(monkeypatch):
    monkeypatch.setenv(VISIBLE, "0,1,2")
    asked(monkeypatch, 2)
    with lease(["1"], print), device(print) as held:
        assert os.environ[VISIBLE] == held == "0,2"
    asked(monkeypatch, 0)
    with device(print) as held:
        assert held == "0,1,2"


def test_a_run_that_cannot_have_all_it_needs_holds_none(monkeypatch):
    waited = []

    def say(line):
        waited.append(line)
        first.close()

    with ExitStack() as first:
        assert first.enter_context(lease(["1"], print)) == "1"
        with lease(["0", "1"], say, 2) as held:
            assert held == "0,1"
    assert waited == ["waiting for 2 GPUs: other runs hold 0, 1"]
    with lease(["0", "1"], print, 2), lease(["0", "1", "2"], print) as other:
        assert other == "2"


def test_more_processes_than_devices_are_refused(monkeypatch):
    monkeypatch.setenv(VISIBLE, "0,1")
    asked(monkeypatch, 3)
    with pytest.raises(BadInput, match=r"GRAFT_PROCESSES is 3, and this worker has 2 GPUs \(0, 1\)"), device(print):
        pass


def test_a_machine_without_a_gpu_has_nothing_to_lease(monkeypatch):
    monkeypatch.setenv(VISIBLE, "")
    with device(print) as name:
        assert name is None


def test_whoever_waits_gets_the_device_of_a_run_that_was_killed(tmp_path):
    code = "import tasks.devices as d\nwith d.lease(['0'], print) as name:\n    print(name, flush=True)\n    input()"
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
    )
    with holder:
        assert holder.stdout.readline() == "0\n"
        said = []

        def say(line):
            said.append(line)
            holder.kill()

        with lease(["0"], say) as name:
            assert name == "0"
        assert said == ["waiting for a GPU: other runs hold 0"]


def test_an_error_in_the_block_is_the_error(monkeypatch):
    monkeypatch.setenv(VISIBLE, "0")
    with pytest.raises(BlockingIOError, match="mine"), device(print):
        raise BlockingIOError("mine")
