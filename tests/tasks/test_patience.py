from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import httpx
import pytest

from flows.serving import free_port
from graft.errors import Transient
from tasks import patience
from tasks.patience import is_away, patiently


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(patience, "PAUSES", (0.0,))


def ask(port):
    httpx.get(f"http://127.0.0.1:{port}/").raise_for_status()
    return "answered"


class Answers(BaseHTTPRequestHandler):
    codes: list[int]

    def do_GET(self):
        self.send_response(self.codes.pop(0))
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def answering():
    """Start a server that answers with these codes, one after the other; return its port."""
    servers = []

    def start(*codes, port=0):
        handler = type("Handler", (Answers,), {"codes": list(codes)})
        servers.append(HTTPServer(("127.0.0.1", port), handler))
        Thread(target=servers[-1].serve_forever, daemon=True).start()
        return servers[-1].server_port

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_server_that_stumbles_is_asked_again(answering):
    assert patiently(ask, answering(500, 502, 200)) == "answered"


def test_a_server_that_comes_back_is_waited_for(answering):
    port, tries = free_port(), []

    def asked():
        tries.append(port)
        if len(tries) == 3:
            answering(200, port=port)
        return ask(port)

    assert patiently(asked) == "answered"
    assert len(tries) == 3


def test_what_the_server_refuses_is_not_asked_again(answering):
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        patiently(ask, answering(404))


def test_a_server_that_stays_away_is_a_transient_fault(monkeypatch):
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0.0)
    with pytest.raises(Transient, match="does not answer"):
        patiently(ask, free_port())


def test_what_an_error_came_from_counts():
    outer = RuntimeError("could not acquire")
    outer.__cause__ = httpx.ConnectError("nobody there")
    assert is_away(outer)
    assert not is_away(ValueError("mine"))
