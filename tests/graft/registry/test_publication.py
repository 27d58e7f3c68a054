"""From a package to a decision: repeated, overtaken, killed in the middle."""

import shutil

import pytest

from graft.catalog import Gates
from graft.errors import RegistryError
from graft.registry import Registry, publish
from graft.registry.events import Promoted, Registered, Rejected
from graft.storage import MemoryStore


def kinds(registry):
    return [event.kind for event in registry.history("words")]


def test_the_first_good_version_becomes_champion(registry, make_package, candidate):
    decision = publish(registry, candidate(make_package("one", [True] * 20)))
    assert (decision.version, decision.new, decision.promoted) == (1, True, True)
    assert (decision.champion_before, decision.champion_after) == (None, 1)
    assert kinds(registry) == ["registered", "promoted"]
    event = registry.history("words")[0]
    assert event.metrics["gain"] == 0.05
    assert event.who
    assert event.when.utcoffset() is not None


def test_publishing_again_changes_no_object_and_says_so(registry, make_package, candidate):
    offered = candidate(make_package("one", [True] * 20))
    publish(registry, offered)
    before = {key: registry.store.get(key) for key in registry.store.list()}
    again = publish(registry, offered)
    assert (again.version, again.new, again.decided, again.promoted) == (1, False, False, False)
    assert "nothing new to register" in again.reason
    assert {key: registry.store.get(key) for key in registry.store.list()} == before


def test_the_same_bytes_from_another_folder_are_the_same_version(registry, make_package, candidate):
    publish(registry, candidate(make_package("one", [True] * 20)))
    assert not publish(registry, candidate(registry.fetch("words@1"))).new


def test_a_failing_candidate_is_kept_as_challenger_with_every_reason(registry, make_package, candidate):
    publish(registry, candidate(make_package("one", [True] * 20)))
    weak = make_package("two", [True] * 10 + [False] * 10, verdict="neutral", gain=-0.2)
    decision = publish(registry, candidate(weak))
    assert not decision.promoted
    assert decision.champion_after == 1
    assert registry.state("words").aliases == {"champion": 1, "challenger": 2}
    event = registry.history("words")[-1]
    assert isinstance(event, Rejected)
    assert [gate.gate for gate in event.gates if not gate.passed] == ["verdict", "min_gain", "champion"]
    for words in ("neutral", "-0.2000", "worse"):
        assert words in event.reason
    assert event.gates[-1].numbers["rows"] == 20


def test_a_tie_with_the_champion_does_not_promote(registry, make_package, candidate):
    publish(registry, candidate(make_package("one", [True, False] * 10)))
    decision = publish(registry, candidate(make_package("two", [True, False] * 10)))
    assert not decision.promoted
    assert "a tie" in decision.reason


def test_a_better_candidate_succeeds_the_champion(registry, make_package, candidate):
    publish(registry, candidate(make_package("one", [True] * 10 + [False] * 10)))
    decision = publish(registry, candidate(make_package("two", [True] * 20)))
    assert decision.promoted
    assert (decision.champion_before, decision.champion_after) == (1, 2)
    assert "succeeds words@1" in decision.reason


def test_other_gates_are_asked_anew_without_a_new_version(registry, make_package, candidate):
    folder = make_package("one", [True] * 20)
    assert not publish(registry, candidate(folder, gates=Gates(min_gain=0.5))).promoted
    decision = publish(registry, candidate(folder, gates=Gates(min_gain=0.01)))
    assert (decision.new, decision.decided, decision.promoted) == (False, True, True)
    assert kinds(registry) == ["registered", "rejected", "promoted"]


def test_a_version_that_people_rolled_back_is_not_promoted_behind_their_backs(registry, make_package, candidate):
    publish(registry, candidate(make_package("one", [True] * 10 + [False] * 10)))
    offered = make_package("two", [True] * 20)
    publish(registry, candidate(offered))
    registry.rollback("words", "it disliked owls")
    decision = publish(registry, candidate(offered, gates=Gates(min_gain=0.01)))
    assert not decision.decided
    assert registry.state("words").champion == 1


def test_a_champion_that_cannot_be_read_is_not_beaten(registry, make_package, candidate):
    publish(registry, candidate(make_package("one", [True] * 10 + [False] * 10)))
    champion = registry.show("words")
    registry.store.put(f"{champion.package}/predictions.parquet", b"damaged")
    decision = publish(registry, candidate(make_package("two", [True] * 20)))
    assert not decision.promoted
    assert "words@1: its package does not verify" in decision.reason


def test_test_data_that_cannot_be_read_fails_the_gate_with_the_reason(registry, make_package, candidate):
    def gone():
        raise RegistryError("data/words: no such folder")

    publish(registry, candidate(make_package("one", [False] * 4)))
    decision = publish(registry, candidate(make_package("two", [True] * 20), test_rows=gone))
    assert not decision.promoted
    assert "data/words: no such folder" in decision.reason


def test_package_and_report_of_different_evaluations_are_refused(registry, make_package, candidate):
    folder = make_package("one", [True], target="other")
    with pytest.raises(RegistryError, match="made for target 'other'") as refusal:
        publish(registry, candidate(folder, gain=0.9))
    assert "metrics are not the package's: gain" in str(refusal.value)
    with pytest.raises(RegistryError, match="the report is of package feed"):
        publish(registry, candidate(make_package("two", [True]), package="feed"))
    assert registry.store.list() == ()


class Killed(BaseException):
    """What kill -9 is to a test."""


class Interruptible(MemoryStore):
    """Calls `before` once, when an event of a kind is about to be created."""

    def __init__(self, kind, before):
        super().__init__()
        self.kind, self.before = kind, before

    def put_if_absent(self, key, content):
        if self.before and key.startswith("events/") and f'"kind": "{self.kind}"'.encode() in content:
            before, self.before = self.before, None
            before()
        return super().put_if_absent(key, content)


def die():
    raise Killed


def test_a_death_between_upload_and_event_leaves_no_version_and_the_next_try_completes(
    tmp_path, make_package, candidate
):
    registry = Registry(Interruptible("registered", die), tmp_path / "cache")
    offered = candidate(make_package("one", [True] * 4))
    with pytest.raises(Killed):
        publish(registry, offered)
    assert registry.models() == ()
    uploaded = registry.store.list("models")
    assert uploaded
    assert publish(registry, offered).promoted
    assert registry.store.list("models") == uploaded


def test_a_death_between_registering_and_deciding_is_made_good_by_the_next_try(tmp_path, make_package, candidate):
    registry = Registry(Interruptible("promoted", die), tmp_path / "cache")
    offered = candidate(make_package("one", [True] * 4))
    with pytest.raises(Killed):
        publish(registry, offered)
    assert registry.state("words").aliases == {"challenger": 1}
    decision = publish(registry, offered)
    assert (decision.new, decision.decided, decision.promoted) == (False, True, True)


def test_of_two_publishers_the_slower_gets_the_next_number(tmp_path, make_package, candidate):
    faster = candidate(make_package("faster", [True] * 10 + [False] * 10))
    slower = candidate(make_package("slower", [True] * 20))
    registry = Registry(Interruptible("registered", lambda: publish(registry, faster)), tmp_path / "cache")
    decision = publish(registry, slower)
    assert (decision.version, decision.champion_before, decision.champion_after) == (2, 1, 2)
    assert {version.digest for version in registry.state("words").versions} == {
        registry.package(f"words@{number}").digest for number in (1, 2)
    }


def test_gates_are_asked_again_when_the_champion_changed_meanwhile(tmp_path, make_package, candidate):
    first = candidate(make_package("first", [True] * 20))
    second = candidate(make_package("second", [True] * 10 + [False] * 10))
    registry = Registry(Interruptible("promoted", lambda: publish(registry, first)), tmp_path / "cache")
    decision = publish(registry, second)  # would have been promoted as the first of all
    assert not decision.promoted
    assert decision.champion_before == 2
    assert kinds(registry) == ["registered", "registered", "promoted", "rejected"]


def test_two_publishers_of_one_package_make_one_version(tmp_path, make_package, candidate):
    folder = make_package("one", [True] * 4)
    shutil.copytree(folder, tmp_path / "copy")
    registry = Registry(
        Interruptible("registered", lambda: publish(registry, candidate(tmp_path / "copy"))), tmp_path / "cache"
    )
    decision = publish(registry, candidate(folder))
    assert not decision.new
    history = registry.history("words")
    assert [type(event) for event in history] == [Registered, Promoted]
