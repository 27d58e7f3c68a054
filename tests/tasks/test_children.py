import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from tasks.children import run_child


def wait_until(condition, seconds=20):
    """Poll, for what only the kernel can announce; a condition that never comes true fails the test."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def number_in(path: Path) -> int:
    return int(path.read_text()) if path.is_file() and path.read_text().strip() else 0


FAMILY = """
import os, pathlib, signal, subprocess, sys, time
def save(*_):
    pathlib.Path("saved").write_text("state")
    sys.exit(75)
if sys.argv[1:] == ["inner"]:
    signal.signal(signal.SIGTERM, save if os.environ.get("POLITE") else signal.SIG_IGN)
    pathlib.Path("inner.tmp").write_text(str(os.getpid()))
    os.rename("inner.tmp", "inner")
    time.sleep(300)
else:
    print("outer begins", flush=True)
    subprocess.run([sys.executable, __file__, "inner"])
"""


@pytest.fixture
def family(tmp_path, monkeypatch):
    """A command with a grandchild, as a stage is below dvc; `inner` holds the grandchild's process id."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRAFT_GRACE_SECONDS", "0.3")
    (tmp_path / "family.py").write_text(FAMILY)
    return [sys.executable, str(tmp_path / "family.py")]


@pytest.fixture
def caller(tmp_path):
    """A process of its own that runs the family through run_child, to be killed."""
    program = "import sys; from tasks.children import run_child; run_child(sys.argv[1:], print)"
    started = []

    def start(command):
        process = subprocess.Popen([sys.executable, "-c", program, *command], stdout=subprocess.DEVNULL)
        started.append(process)
        wait_until(lambda: number_in(tmp_path / "inner"))
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_lines_arrive_in_order_and_the_exit_code_comes_back(tmp_path):
    lines = []
    code = run_child(
        [sys.executable, "-c", "print('one'); print(); print('two', end=''); raise SystemExit(7)"], lines.append
    )
    assert (lines, code) == (["one", "two"], 7)


def test_of_a_bar_redrawn_in_place_only_the_last_state_is_passed_on():
    lines = []
    run_child([sys.executable, "-c", r"print(*(f'{i}%\r' for i in range(99)), 'done', sep='')"], lines.append)
    assert lines == ["done"]


def test_a_command_ended_by_a_signal_says_which():
    assert run_child([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], print) == 128 + 9


def test_killing_the_caller_leaves_no_grandchild(family, caller, tmp_path):
    process = caller(family)
    inner = number_in(tmp_path / "inner")
    assert alive(inner)
    process.send_signal(signal.SIGKILL)
    wait_until(lambda: not alive(inner))
    assert process.wait() == -signal.SIGKILL


def test_killing_the_command_itself_leaves_no_grandchild(family, caller, tmp_path):
    caller(family)
    inner = number_in(tmp_path / "inner")
    outer = int(Path(f"/proc/{inner}/stat").read_text().rpartition(")")[2].split()[1])
    assert alive(inner)
    os.kill(outer, signal.SIGKILL)
    wait_until(lambda: not alive(inner))
    assert not alive(outer)


def test_an_exception_ends_the_whole_group_and_gives_it_time_to_save(family, tmp_path, monkeypatch):
    monkeypatch.setenv("POLITE", "1")
    monkeypatch.setenv("GRAFT_GRACE_SECONDS", "30")

    def interrupt():
        if number_in(tmp_path / "inner"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_child(family, print, tick=interrupt)
    assert not alive(number_in(tmp_path / "inner"))
    assert (tmp_path / "saved").read_text() == "state"


def test_what_ignores_sigterm_is_killed_after_the_grace(family, tmp_path):
    def interrupt():
        if number_in(tmp_path / "inner"):
            raise TimeoutError

    with pytest.raises(TimeoutError):
        run_child(family, print, tick=interrupt)
    assert not alive(number_in(tmp_path / "inner"))


def test_what_a_finished_command_leaves_running_is_ended_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    leaver = textwrap.dedent("""
        import pathlib, subprocess, sys
        left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
        pathlib.Path("inner").write_text(str(left.pid))
    """)
    assert run_child([sys.executable, "-c", leaver], print) == 0
    assert not alive(number_in(tmp_path / "inner"))


def test_two_threads_can_run_children_at_once():
    codes = {}

    def run(name, code):
        codes[name] = run_child([sys.executable, "-c", f"raise SystemExit({code})"], print)

    threads = [threading.Thread(target=run, args=(name, name)) for name in (3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == {3: 3, 4: 4}
