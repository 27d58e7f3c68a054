import os
import queue
import socket
import sys
from contextlib import suppress

import pytest

from flows.commands.up import pointed_to, refuse_taken
from flows.serving import POINTER, free_port, kept_alive, known_server, running_here
from graft.errors import BadInput, Transient
from tasks.children import start_guarded


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


def test_a_server_that_is_killed_is_started_again_and_the_last_one_ends_with_us(capfd):
    started = queue.Queue()
    made = []

    def start():
        made.append(start_guarded([sys.executable, "-c", "import signal; signal.pause()"]))
        started.put(made[-1])
        return made[-1]

    with kept_alive(start(), start):
        for _ in range(2):
            started.get(timeout=60).kill()
        assert started.get(timeout=60).poll() is None
    assert [process.returncode is not None for process in made] == [True, True, True]
    assert capfd.readouterr().err.count("Prefect's server ended by itself (-9); starting it again") == 2
