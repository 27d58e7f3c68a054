"""One order of events, whoever writes; tests/graft/storage has many who write at once."""

import pytest

from graft.errors import Fenced, RegistryError, Transient
from graft.registry import log
from graft.registry.claims import claimed
from graft.registry.events import dump
from graft.registry.log import Log
from graft.storage import MemoryStore
from tests.graft.registry.writers import promote_newest, register


def test_events_are_numbered_objects_in_the_order_of_writing():
    events = Log(MemoryStore())
    events.append("m", register)
    state, event = events.append("m", register)
    assert events.store.list("events") == ("events/m/00000001.json", "events/m/00000002.json")
    assert events.store.get("events/m/00000002.json") == dump(event)
    assert state == events.read("m") == Log(events.store).read("m")
    assert events.models() == ("m",)


def test_nothing_to_say_writes_nothing():
    events = Log(MemoryStore())
    assert events.append("m", lambda state: None)[1] is None
    assert events.store.list() == ()


class Counting(MemoryStore):
    """Remembers the key of each event that was read."""

    def __init__(self):
        super().__init__()
        self.read = []

    def get(self, key):
        self.read.append(key)
        return super().get(key)


def test_an_event_is_read_once_and_never_again():
    store = Counting()
    mine, others = Log(store), Log(store)
    for _ in range(5):
        others.append("m", register)
    assert store.read == []
    assert len(mine.read("m").versions) == 5
    assert len(store.read) == 5
    mine.append("m", promote_newest)
    others.append("m", register)
    assert mine.read("m") == others.read("m")
    assert sorted(store.read) == sorted(set(store.read) | {"events/m/00000006.json"})


def test_a_run_that_was_taken_over_may_not_speak_any_more():
    events = Log(MemoryStore())
    first = events.append("m", lambda state: claimed(state, "first"))[1].claim
    events.append("m", lambda state: register(state, "first", first))
    second = events.append("m", lambda state: claimed(state, "second"))[1].claim
    before = events.store.list()
    with pytest.raises(Fenced, match=r"run 'second' took over at .* claim 2\); this run holds claim 1") as fenced:
        events.append("m", lambda state: register(state, "first", first))
    assert "python -m graft.steps publish m" in str(fenced.value)
    assert fenced.value.exit_code == 76
    assert events.store.list() == before
    assert events.append("m", lambda state: register(state, "second", second))[0].versions[-1].digest == "second-2"
    assert events.append("m", lambda state: promote_newest(state, "a person"))[1].claim is None


def test_a_run_is_fenced_by_what_another_process_has_claimed_between_its_look_and_its_write():
    store = MemoryStore()
    mine, other = Log(store), Log(store)
    claim = mine.append("m", lambda state: claimed(state, "mine"))[1].claim

    def overtaken(state):
        if state.claim.number == claim:
            other.append("m", lambda now: claimed(now, "other"))
        return register(state, "mine", claim)

    with pytest.raises(Fenced, match="run 'other' took over"):
        mine.append("m", overtaken)
    assert [event.kind for event in other.read("m").history] == ["claimed", "claimed"]


@pytest.mark.parametrize("known", [0, 3])
def test_a_hole_in_the_history_is_named(known):
    store = MemoryStore()
    writer, reader = Log(store), Log(store)
    for number in range(6):
        if number == known:
            reader.read("m")
        writer.append("m", register)
    store.delete(f"events/m/{known + 2:08}.json")
    with pytest.raises(RegistryError, match=rf"{known + 2:08}\.json is missing"):
        reader.read("m")


def test_a_store_that_never_lists_what_it_holds_ends_in_an_error_not_in_a_loop(monkeypatch):
    class Forgetful(MemoryStore):
        def list(self, folder="", after=""):
            return ()

    store = Forgetful()
    monkeypatch.setattr(log, "TRIES", 5)
    Log(store).append("m", register)
    with pytest.raises(Transient, match="others wrote first"):
        Log(store).append("m", register)
