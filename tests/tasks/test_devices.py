import os
import subprocess
import sys
import tempfile

import pytest

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
