"""A served model: the real server on a port of loopback, in a thread that ends with the block."""

import base64
import contextlib
import http.client
import json
import threading
import time

import pytest

from graft.serving import Champion, Limits, listen, make_app
from graft.serving.server import make_server

JSON = {"Content-Type": "application/json"}


class Client:
    def __init__(self, port, server):
        self.port, self.server = port, server

    def raw(self, method, path, body=None, headers=None):
        """Return status, headers and content of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()

    def get(self, path):
        status, _, content = self.raw("GET", path)
        return status, json.loads(content)

    def post(self, content, headers=JSON, path="/predict"):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        status, _, found = self.raw("POST", path, body, headers)
        return status, json.loads(found)

    def ask(self, *inputs, **options):
        """Return the predictions for some inputs."""
        status, found = self.post({"inputs": [*inputs], **options})
        assert status == 200, found
        return found["predictions"]

    def stop(self):
        """Tell the server to end, as a signal does."""
        self.server.should_exit = True

    def health(self):
        return self.get("/health")[1]


@contextlib.contextmanager
def serving(registry, reference, poll_seconds=3600.0, **limits):
    """Yield a client of a server in a thread."""
    given = Limits(**limits)
    with listen("127.0.0.1", 0) as listening:
        server = make_server(make_app(Champion(registry, reference), given, poll_seconds), given)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield Client(listening.getsockname()[1], server)
        finally:
            server.should_exit = True
            thread.join(60)
    assert not thread.is_alive()


def until(found, seconds=60):
    """Return when something holds; raises when it does not come to that."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "it never came to that"
        threading.Event().wait(0.02)


def base64_of(content):
    return base64.b64encode(content).decode()


def same(found, expected):
    """Say whether two answers are one but for the last bits of a number: batches may be of other widths."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[key], expected[key]) for key in expected)
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    return found == (pytest.approx(expected, abs=1e-5) if isinstance(expected, float) else expected)
