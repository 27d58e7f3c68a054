"""How a process ends: its exit code, its handlers and its output are as they would be, only its modules stay whole."""

import subprocess
import sys
from pathlib import Path

import pytest

LINGERS = """
class Lingers:
    def __del__(self):
        print("taken apart")

lingers = Lingers()
"""


def run(code: str, **options) -> subprocess.CompletedProcess:
    begun = f"from graft import process\nprocess.begin()\n{LINGERS}\n{code}"
    return subprocess.run([sys.executable, "-c", begun], capture_output=True, text=True, check=False, **options)


@pytest.mark.parametrize("code", [0, 1, 7])
def test_it_ends_with_its_code_and_takes_nothing_apart(code):
    done = run(f"print('said'); process.end({code})")
    assert (done.returncode, done.stdout, done.stderr) == (code, "said\n", "")


def test_without_an_end_of_ours_the_interpreter_ends_as_always():
    done = run("print('said')")
    assert (done.returncode, done.stdout) == (0, "said\ntaken apart\n")


def test_a_bug_still_shows_its_trace_and_fails():
    done = run("raise RuntimeError('a bug')")
    assert done.returncode == 1
    assert "RuntimeError: a bug" in done.stderr


def test_what_waits_for_the_end_is_not_passed_over():
    done = run(
        "import atexit, logging.handlers, tempfile, threading, time\n"
        "atexit.register(print, 'handler')\n"
        "folder = tempfile.TemporaryDirectory()\n"
        "thread = threading.Thread(target=lambda: (threading.main_thread().join(), print('thread')))\n"
        "thread.start()\n"
        "memory = logging.handlers.MemoryHandler(10, target=logging.StreamHandler())\n"
        "logging.getLogger().addHandler(memory)\n"
        "logging.warning('a record')\n"
        "print(folder.name)\n"
        "process.end(3)\n"
    )
    folder, *rest = done.stdout.splitlines()
    assert (done.returncode, rest, done.stderr) == (3, ["thread", "handler"], "a record\n")
    assert not Path(folder).exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_output_that_could_not_be_written_is_a_failure():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", "from graft import process; process.begin(); print('lost'); process.end(0)"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode != 0
    assert "No space left on device" in done.stderr
