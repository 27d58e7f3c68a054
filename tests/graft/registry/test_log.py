"""One order of events, whoever writes."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime

import pytest

from graft.errors import RegistryError, Transient
from graft.registry import log
from graft.registry.events import Promoted, Registered, dump
from graft.storage import LocalStore, MemoryStore


def register(state, who="ann"):
    number = len(state.versions) + 1
    return Registered(
        model=state.model,
        version=number,
        who=who,
        when=datetime(2026, 1, 1, tzinfo=UTC),
        reason="",
        digest=f"{who}-{number}",
        package="p",
        metrics={},
    )


def promote_newest(state, who="ann"):
    if not state.versions or state.champion == len(state.versions):
        return None
    about = {"model": state.model, "version": len(state.versions), "who": who}
    return Promoted(**about, when=datetime(2026, 1, 1, tzinfo=UTC), reason="")


def test_events_are_numbered_objects_in_the_order_of_writing():
    store = MemoryStore()
    Log(store).append("m", register)
    state, event = Log(store).append("m", register)
    assert store.list("events") == ("events/m/00000001.json", "events/m/00000002.json")
    assert store.get("events/m/00000002.json") == dump(event)
    assert state == log.read(store, "m")
    assert log.models(store) == ("m",)


def test_nothing_to_say_writes_nothing():
    store = MemoryStore()
    assert log.append(store, "m", lambda state: None)[1] is None
    assert store.list() == ()


def _write(root, who, count):
    store, mine = LocalStore(root), []
    for _ in range(count):
        mine.append(log.append(store, "m", lambda state: register(state, who))[1])
        log.append(store, "m", lambda state: promote_newest(state, who))
    return mine


def test_many_processes_write_one_history_in_which_nothing_is_lost(tmp_path):
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as pool:
        written = [event for events in pool.map(_write, [tmp_path] * 4, "abcd", [8] * 4) for event in events]
    state = log.read(LocalStore(tmp_path), "m")
    assert len(state.versions) == 32
    assert {version.digest for version in state.versions} == {event.digest for event in written}
    assert {event.version for event in written} == set(range(1, 33))
    assert state.champion == 32


def test_a_hole_in_the_history_is_named():
    store = MemoryStore()
    for _ in range(3):
        Log(store).append("m", register)
    store.delete("events/m/00000002.json")
    with pytest.raises(RegistryError, match=r"00000002\.json is missing"):
        log.read(store, "m")


def test_a_store_that_never_lists_what_it_holds_ends_in_an_error_not_in_a_loop(monkeypatch):
    class Forgetful(MemoryStore):
        def list(self, folder=""):
            return ()

    store = Forgetful()
    monkeypatch.setattr(log, "TRIES", 5)
    Log(store).append("m", register)
    with pytest.raises(Transient, match="others wrote first"):
        Log(store).append("m", register)
