import sys

import psutil
import pytest

from flows.service import Service
from graft.errors import GraftError


@pytest.fixture
def service(tmp_path):
    """A service that lives until it is ended."""
    found = Service("sleeper", [sys.executable, "-c", "input()"], tmp_path / "sleeper.log")
    found.command = [sys.executable, "-c", "import time\nwhile True: time.sleep(60)"]
    yield found
    found.end()


def test_what_lives_is_left_alone(service):
    service.start()
    before = service.process
    service.keep(pytest.fail)
    assert service.process is before


def test_what_dies_is_started_again_after_a_pause_and_it_is_said(service, monkeypatch):
    said = []
    service.start()
    psutil.Process(service.process.pid).kill()
    service.process.wait()
    service.keep(said.append)
    assert service.process is None
    assert "sleeper ended with -9" in said[0]
    monkeypatch.setattr(service, "_due", 0.0)
    service.keep(said.append)
    assert service.process.poll() is None
    assert len(said) == 1


def test_pauses_grow_while_it_keeps_dying(service, monkeypatch):
    service.command = [sys.executable, "-c", "raise SystemExit(3)"]
    pauses = []
    for _ in range(3):
        monkeypatch.setattr(service, "_due", 0.0)
        service.keep(pytest.fail)
        service.process.wait()
        service.keep(lambda line: pauses.append(line.split(" in ")[1].split(" ")[0]))
    assert pauses == ["1", "2", "4"]


def test_a_service_that_does_not_start_is_an_error_with_its_last_words(service):
    service.command = [sys.executable, "-c", "raise SystemExit('no room')"]
    service.answers = lambda: False
    service.start()
    with pytest.raises(GraftError, match=r"(?s)sleeper did not start.*no room"):
        service.wait()
