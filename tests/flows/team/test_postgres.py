import asyncio
import os
import shutil
import signal
from pathlib import Path

import asyncpg
import psutil
import pytest

from flows.serving import free_port
from flows.team import postgres
from flows.team.postgres import Postgres, home, program
from graft.errors import BadInput

there = shutil.which("postgres") or any(Path("/usr/lib/postgresql").glob("*/bin/postgres"))


@pytest.fixture
def cluster(tmp_path):
    place = home(tmp_path / "postgres")
    found = Postgres(place, free_port(), "a password")
    found.prepare()
    yield found
    shutil.rmtree(place)


@pytest.fixture
def service(cluster, tmp_path):
    found = cluster.service(tmp_path / "postgres.log")
    found.start()
    found.wait()
    yield found
    found.end()


def ask(cluster, words, password="a password"):
    async def asked():
        link = await asyncpg.connect(
            host="127.0.0.1", port=cluster.port, user="graft", password=password, database="graft"
        )
        try:
            return await link.fetchval(words)
        finally:
            await link.close()

    return asyncio.run(asked())


@pytest.mark.skipif(not there, reason="no PostgreSQL on this machine")
class TestRealPostgres:
    def test_it_wants_the_password_and_has_what_prefect_needs(self, cluster, service):
        with pytest.raises(asyncpg.InvalidPasswordError):
            ask(cluster, "SELECT 1", "another")
        ask(cluster, "CREATE EXTENSION pg_trgm")
        assert ask(cluster, "SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'") == 1

    def test_what_was_acknowledged_survives_kill_9(self, cluster, service):
        ask(cluster, "CREATE TABLE kept AS SELECT 7 AS number")
        postmaster = next(
            child for child in psutil.Process(service.process.pid).children() if child.name() == "postgres"
        )
        postmaster.send_signal(signal.SIGKILL)
        service.process.wait()
        service.end()
        service.start()
        service.wait()
        assert ready(lambda: ask(cluster, "SELECT number FROM kept")) == 7

    def test_it_runs_as_somebody_who_is_not_root(self, service):
        owners = {child.uids().real for child in psutil.Process(service.process.pid).children(recursive=True)}
        assert owners
        assert 0 not in owners

    def test_nothing_is_left_when_it_ends(self, service):
        children = psutil.Process(service.process.pid).children(recursive=True)
        service.end()
        assert not [child for child in children if child.is_running()]


def ready(see):
    """Return what comes once a database that recovers lets us in."""
    while True:
        try:
            return see()
        except asyncpg.CannotConnectNowError:
            continue


def test_a_machine_without_it_says_how_to_get_it_and_what_else_would_do(monkeypatch):
    monkeypatch.setattr(postgres, "shutil", shutil)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(()))
    with pytest.raises(BadInput, match=r"(?s)no PostgreSQL.*apt install.*sqlite"):
        program("initdb")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs it as somebody else")
def test_a_folder_that_its_user_cannot_reach_is_not_used(tmp_path):
    (tmp_path / "private").mkdir(mode=0o700)
    assert home(tmp_path / "private" / "postgres").parent == Path("/var/tmp")
