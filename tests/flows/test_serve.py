"""`graft serve` as a process: it says where it is, answers, and ends when it is told to."""

import http.client
import json
import signal
import subprocess
import sys

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from flows import cli
from graft.catalog import Gates
from graft.registry import Candidate, open_registry, publish
from tests.graft.registry.packages import BERT, METRICS, TEXTS, build_package, save_network


@pytest.fixture
def words(tmp_path, monkeypatch):
    """Stand in a folder whose registry holds a model of texts."""
    monkeypatch.chdir(tmp_path)
    network = save_network(tmp_path / "network", "text-classification", BERT, pa.table({"text": TEXTS}))
    publish(open_registry(), Candidate("words", build_package(tmp_path / "p", network, [True]), METRICS, Gates(), list))


def test_it_answers_as_predict_does_and_ends_on_a_signal(words):
    command = [sys.executable, "-m", "flows.cli", "serve", "words@champion", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    connection = http.client.HTTPConnection(line.partition("http://")[2].strip(), timeout=60)
    try:
        assert line.startswith("words@1  http://127.0.0.1:"), process.communicate()
        body = json.dumps({"inputs": ["the cat", "the oak"]})
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        found = json.loads(connection.getresponse().read())
        process.send_signal(signal.SIGTERM)  # with the connection open
        out, complaints = process.communicate(timeout=60)
    finally:
        process.kill()
        connection.close()
    assert (process.returncode, out, complaints) == (0, "ended\n", "")
    said = CliRunner().invoke(cli.app, ["predict", "words@champion", "the cat", "the oak", "--json"])
    assert found["predictions"] == json.loads(said.output)


def test_a_port_that_is_taken_and_a_model_that_is_not_there_are_one_message(words):
    import socket

    from flows.commands.serve import serve
    from graft.errors import BadInput

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadInput, match=rf"127\.0\.0\.1 port {port} cannot be listened on(.|\n)*--port {port + 1}"):
            serve("words", "127.0.0.1", port, {}, 5.0)
    with pytest.raises(BadInput, match="no model 'wrods' in the registry; did you mean 'words'"):
        serve("wrods", "127.0.0.1", 0, {}, 5.0)
