"""The alias moves, and so does what answers: checked first, and without a request lost."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from graft.registry import predict
from graft.registry.events import Promoted, signature
from graft.serving import Champion
from graft.serving.champion import AGAIN_SECONDS
from tests.served import serving, until


def promote_unseen(registry, number):
    """Make a version champion as somebody would who does not look at its package."""
    event = Promoted(model="words", version=number, reason="unseen", forced=False, **signature())
    registry.append("words", lambda state: event)


@pytest.fixture
def broken(words):
    """A registry whose second version, the champion, lacks its weights."""
    registry, add = words
    add(2.5, promoted=False)
    weights = f"{registry.show('words@2').package}/model.safetensors"
    content = registry.store.get(weights)
    registry.store.delete(weights)
    return registry, lambda: registry.store.put_if_absent(weights, content)


def test_another_champion_takes_over_and_no_request_is_lost(words):
    registry, add = words
    add(2.5, promoted=False)
    shares = {f"words@{number}": predict(f"words@{number}", ["the cat"], registry)[0].probability for number in (1, 2)}
    assert shares["words@1"] != shares["words@2"]
    done = threading.Event()
    with serving(registry, "words@champion", poll_seconds=0.05) as client, ThreadPoolExecutor(3) as pool:

        def go_on():
            found = []
            while not done.is_set():
                found.append(client.post({"inputs": ["the cat"]}))
            return found

        askers = [pool.submit(go_on) for _ in range(3)]
        try:
            registry.promote("words@2", "better")
            until(lambda: client.health()["model"] == "words@2")
            client.ask("the cat")
        finally:
            done.set()
        answers = [answer for asker in askers for answer in asker.result()]
        assert client.post({"inputs": ["the cat"]})[1]["model"] == "words@2"
    assert {status for status, _ in answers} == {200}
    for _, found in answers:
        assert found["predictions"][0]["probability"] == pytest.approx(shares[found["model"]], abs=1e-6)


def test_a_broken_champion_leaves_the_old_one_answering_and_is_named(broken):
    registry, _ = broken
    with serving(registry, "words@champion", poll_seconds=0.05) as client:
        promote_unseen(registry, 2)
        until(lambda: client.health()["rejected"])
        health = client.health()
        assert (health["ready"], health["model"]) == (True, "words@1")
        assert health["rejected"]["version"] == "words@2"
        assert health["rejected"]["digest"] == registry.show("words@2").digest
        assert "model.safetensors: missing" in health["rejected"]["reason"]
        assert client.post({"inputs": ["the cat"]})[1]["model"] == "words@1"
        registry.rollback("words", "it does not load")
        until(lambda: client.health()["rejected"] is None)


def test_a_champion_that_answers_otherwise_than_recorded_does_not_take_over(words):
    registry, add = words
    champion = Champion(registry, "words")
    add(2.5)

    def check(package, model):
        raise ValueError("golden")

    assert not champion.look(check)
    assert champion.held.version.number == 1
    assert champion.rejected.reason == "ValueError: golden"


def test_a_version_that_does_not_load_is_tried_again_after_a_while(broken, monkeypatch):
    registry, restore = broken
    champion = Champion(registry, "words")
    promote_unseen(registry, 2)
    assert not champion.look()
    restore()
    assert not champion.look()  # it is not downloaded again at every look
    now = champion.rejected.tried
    monkeypatch.setattr("graft.serving.champion.monotonic", lambda: now + AGAIN_SECONDS)
    assert champion.look()
    assert (champion.held.version.number, champion.rejected) == (2, None)


def test_a_registry_that_cannot_be_read_is_named_and_the_model_goes_on(words):
    registry, _ = words
    champion = Champion(registry, "words@champion")
    *_, last = registry.store.list("events/words")
    after_a_hole = f"events/words/{int(last[-13:-5]) + 2:08}.json"
    registry.store.put_if_absent(after_a_hole, b"{}")
    assert not champion.look()
    assert "the history has a hole" in champion.fault
    assert champion.held.version.number == 1
    registry.store.delete(after_a_hole)
    assert not champion.look()
    assert champion.fault == ""


def test_a_version_by_number_stays_whatever_the_alias_does(words):
    registry, add = words
    champion = Champion(registry, "words@1")
    add(2.5)
    assert not champion.look()
    assert champion.held.version.number == 1
