import os
import signal
import socket
import sys
import time
from contextlib import suppress

import pytest

from flows.commands.up import pointed_to, refuse_taken
from flows.service import Service
from flows.serving import POINTER, free_port, kept_running, known_server, running_here
from graft.errors import BadInput, Transient


@pytest.fixture(autouse=True)
def _empty_checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)


def test_a_pointer_to_a_dead_server_is_passed_over():
    POINTER.write_text(f'[api]\nurl = "http://127.0.0.1:{free_port()}/api"\n')
    assert known_server() is None


@pytest.mark.parametrize("content", ["", "[api]\n", "not toml at all ["])
def test_a_pointer_without_an_address_is_passed_over(content):
    POINTER.write_text(content)
    assert running_here() is None


def test_a_dead_server_that_the_environment_names_is_an_error_that_says_both_ways_out(monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{free_port()}/api")
    with pytest.raises(Transient, match=r"(?s)graft up.*unset PREFECT_API_URL"):
        known_server()


def test_the_pointer_is_there_exactly_as_long_as_the_server():
    with suppress(KeyboardInterrupt), pointed_to("http://127.0.0.1:4200/api"):
        assert 'url = "http://127.0.0.1:4200/api"' in POINTER.read_text()
        raise KeyboardInterrupt
    assert not POINTER.exists()


def test_a_taken_port_is_bad_input_that_names_another():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BadInput, match=f"port {port}.*\n.*--port"):
            refuse_taken(port)
    assert "PREFECT_API_URL" not in os.environ


def test_a_service_that_is_killed_is_started_again_and_the_last_one_ends_with_us(tmp_path, capfd):
    said = tmp_path / "said"
    line = "import os, pathlib, signal; print(os.getpid(), file=open('said', 'a'), flush=True); signal.pause()"
    service = Service("a server", [sys.executable, "-c", line], tmp_path / "log")
    service.start()
    with kept_running(service):
        for start in range(3):
            until(lambda count=start: said.exists() and len(said.read_text().split()) > count)
            last = int(said.read_text().split()[-1])
            if start < 2:
                os.kill(last, signal.SIGKILL)
    service.end()
    with pytest.raises(ProcessLookupError):
        os.kill(last, 0)
    assert capfd.readouterr().err.count("a server ended with ") == 2


def until(look):
    deadline = time.monotonic() + 120
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.05)
