"""Credentials that stop being right in the middle: a clean stop that names store and variable, and the work goes on."""

import contextlib
import logging
import urllib.request

import pytest

from graft.errors import BadInput
from graft.manifest import write_manifest
from graft.registry import Registry
from graft.settings import settings
from graft.storage import S3Store
from graft.training import offsite
from tasks.pipeline import reproduce
from tasks.remote import add_remote, find_remote
from tasks.sharing import is_shared
from tests.graft.storage.conftest import KEY, SECRET, client, free_port, moto, rclone, s3  # noqa: F401 -- fixtures
from tests.served import until
from tests.tasks.conftest import repo, template  # noqa: F401 -- fixtures

NEW = "another-secret"
SAID = r"(?s)s3://team/.*refused the credentials.*AWS_ACCESS_KEY_ID.*run the same command again"


@contextlib.contextmanager
def nobody_known(url):
    """Let the store know nobody's keys, as after they were drawn anew."""
    try:
        ask(url, b"0")
        yield
    finally:
        ask(url, b"inf")


def ask(url, count):
    asked = urllib.request.Request(f"{url}/moto-api/reset-auth", count, {"Content-Type": "text/plain"})
    urllib.request.urlopen(asked, timeout=10).close()


def test_a_registry_that_no_longer_lets_us_in_takes_nothing_and_goes_on_when_it_does(moto, s3, tmp_path):  # noqa: F811
    registry = Registry(s3, tmp_path)
    registry.claim("words", "first")
    before = s3.list()
    with nobody_known(moto), pytest.raises(BadInput, match="refused the credentials") as refused:
        registry.claim("words", "second")
    said = str(refused.value)
    assert str(s3) in said
    assert "AWS_ACCESS_KEY_ID" in said
    assert SECRET not in said
    assert s3.list() == before
    registry.claim("words", "third")
    assert [event.run for event in registry.history("words")] == ["first", "third"]


class Served:
    """An S3 on one port, which may begin to ask for other credentials."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.port, self.stack = folder, free_port(), contextlib.ExitStack()
        folder.mkdir()
        self.url = self.begin(SECRET)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", self.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        client(self.url).create_bucket(Bucket="team")

    def begin(self, secret):
        self.stack.close()
        return self.stack.enter_context(rclone(self.folder, self.port, secret))


@pytest.fixture
def served(tmp_path, monkeypatch):
    found = Served(tmp_path / "served", monkeypatch)
    with found.stack:
        yield found


def test_a_stage_that_ran_while_the_keys_were_changed_is_shared_with_the_new_ones_and_not_run_again(
    repo,  # noqa: F811
    served,
    monkeypatch,
):
    add_remote("s3://team/dvc", "team")
    with pytest.raises(BadInput, match=SAID) as refused:
        reproduce("make", lambda line: served.begin(NEW) if line == "working" else None)
    assert SECRET not in str(refused.value)
    assert NEW not in str(refused.value)
    assert (repo / "out.txt").read_text() == "HELLO"
    assert not is_shared("make", find_remote())
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", NEW)
    assert reproduce("make", print).action == "skipped"
    assert is_shared("make", find_remote())
    assert (repo / "attempts.txt").read_text().split() == ["done"]


def state(folder, step):
    place = folder / f"step-{step:08d}"
    place.mkdir(parents=True)
    (place / "facts.json").write_text("{}")
    write_manifest(place)
    return place


def test_a_state_that_the_store_no_longer_takes_stops_no_training_and_one_that_cannot_begin_stops(
    served, monkeypatch, tmp_path, caplog
):
    monkeypatch.setenv("GRAFT_CHECKPOINTS", "s3://team/states")
    monkeypatch.setenv("GRAFT_WORK", str(tmp_path / ".graft"))
    settings.cache_clear()
    folder = tmp_path / ".graft" / "work" / "t"
    offsite.keep(state(folder, 1))
    offsite.settle()
    served.begin(NEW)
    with caplog.at_level(logging.WARNING):
        offsite.keep(state(folder, 2))
        until(lambda: "training goes on" in caplog.text)
    assert "refused the credentials" in caplog.text
    assert "s3://team/states" in caplog.text
    assert SECRET not in caplog.text
    with pytest.raises(BadInput, match=SAID):
        offsite.recall(tmp_path / ".graft" / "work" / "t", None)
    assert not offsite.recall(folder, 2)  # what is here does
    served.begin(SECRET)
    assert offsite.offsite().flush(100)
    store = S3Store("team", "states", client=client(served.url))
    assert {key.split(".")[0] for key in store.list()} == {"t/step-00000001", "t/step-00000002"}
