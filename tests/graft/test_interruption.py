import os
import signal
import subprocess
import sys

STEP = """
import sys, time
from graft import interruption
interruption.listen()
print("ready", flush=True)
deadline = time.monotonic() + 30
while not interruption.requested() and time.monotonic() < deadline:
    time.sleep(0.01)
open(sys.argv[1], "w").write(str(interruption.requested()))
"""
CALLER = """
import subprocess, sys
step = subprocess.Popen([sys.executable, "-c", sys.argv[1], sys.argv[2]])
step.wait()
"""


def test_a_signal_is_a_request(tmp_path):
    step = subprocess.Popen([sys.executable, "-c", STEP, str(tmp_path / "end")], stdout=subprocess.PIPE)
    step.stdout.readline()
    step.terminate()
    assert step.wait(20) == 0
    step.stdout.close()
    assert (tmp_path / "end").read_text() == "True"


def test_below_dvc_the_death_of_the_caller_is_a_request(tmp_path):
    environment = os.environ | {"DVC_STAGE": "adapt@t"}
    command = [sys.executable, "-c", CALLER, STEP, str(tmp_path / "end")]
    caller = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    caller.stdout.readline()
    caller.send_signal(signal.SIGKILL)
    caller.wait(20)
    assert caller.stdout.read() == b""  # end of file: the step, which shares the pipe, has ended too
    caller.stdout.close()
    assert (tmp_path / "end").read_text() == "True"
