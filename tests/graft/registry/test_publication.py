"""From a package to a decision: repeated, overtaken, killed in the middle."""

import json
import shutil

import pytest

from graft.catalog import Gates
from graft.errors import Fenced, RegistryError
from graft.registry import Registry, publish
from graft.registry.events import Promoted, Proposed, Registered, Rejected
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


def test_a_run_that_was_declared_dead_and_comes_back_cannot_publish_over_its_successor(
    registry, make_package, candidate
):
    dead = registry.claim("words", "digits: transfer, attempt 1").claim
    successor = registry.claim("words", "digits: transfer, attempt 2").claim
    publish(registry, candidate(make_package("two", [True] * 10 + [False] * 10), claim=successor))
    before = registry.store.list()
    with pytest.raises(Fenced, match="run 'digits: transfer, attempt 2' took over") as fenced:
        publish(registry, candidate(make_package("one", [True] * 20), claim=dead))
    assert "may not publish any more" in str(fenced.value)
    assert registry.store.list() == before  # not even its package was uploaded
    assert registry.state("words").champion == 1


def test_a_run_that_is_overtaken_between_registering_and_deciding_does_not_decide(tmp_path, make_package, candidate):
    registry = Registry(Interruptible("promoted", lambda: registry.claim("words", "the next")), tmp_path / "cache")
    claim = registry.claim("words", "the first").claim
    with pytest.raises(Fenced, match="run 'the next' took over"):
        publish(registry, candidate(make_package("one", [True] * 4), claim=claim))
    assert kinds(registry) == ["claimed", "registered", "claimed"]
    assert registry.state("words").champion is None


def test_publishing_again_after_a_take_over_has_nothing_to_say_and_is_no_error(registry, make_package, candidate):
    offered = candidate(make_package("one", [True] * 4), claim=registry.claim("words", "the first").claim)
    publish(registry, offered)
    registry.claim("words", "the next")
    assert not publish(registry, offered).new
    assert kinds(registry) == ["claimed", "registered", "promoted", "claimed"]


def test_a_publication_without_a_run_takes_over_from_the_run_before(registry, make_package, candidate):
    claim = registry.claim("words", "a run").claim
    assert publish(registry, candidate(make_package("one", [True] * 4))).promoted
    with pytest.raises(Fenced, match="run 'publish, by hand' took over"):
        publish(registry, candidate(make_package("two", [True] * 4), claim=claim))


def test_what_a_person_decides_needs_no_claim_and_takes_none(registry, make_package, candidate):
    claim = registry.claim("words", "a run").claim
    publish(registry, candidate(make_package("one", [True] * 4, verdict="neutral"), claim=claim))
    registry.promote("words@1", "it is needed today")
    two = candidate(make_package("two", [False] * 4), claim=claim)
    assert publish(registry, two).champion_after == 1


def test_a_claim_of_another_registry_is_refused(registry, make_package, candidate):
    with pytest.raises(Fenced, match="claim 7 was never given in this registry; the newest is 0"):
        publish(registry, candidate(make_package("one", [True] * 4), claim=7))
    assert registry.store.list("events") == ()


ASKED = Gates(approval=True)


def test_a_candidate_that_passes_every_gate_awaits_a_person_where_the_gates_ask_for_one(
    registry, make_package, candidate
):
    publish(registry, candidate(make_package("one", [True] * 10 + [False] * 10)))
    decision = publish(registry, candidate(make_package("two", [True] * 20), gates=ASKED))
    assert (decision.promoted, decision.awaits_approval, decision.champion_after) == (False, True, 1)
    assert "a person must approve it" in decision.reason
    assert all(gate.passed for gate in decision.gates)
    state = registry.state("words")
    assert (state.aliases, state.awaiting) == ({"champion": 1, "challenger": 2}, (2,))
    assert isinstance(state.history[-1], Proposed)
    event = registry.promote("words@challenger", "looked at every mistake", person="Ann")
    assert event.who.startswith("Ann, by ")
    assert registry.state("words").awaiting == ()
    assert registry.state("words").champion == 2


def test_a_candidate_that_awaits_approval_is_not_proposed_twice(registry, make_package, candidate):
    offered = candidate(make_package("one", [True] * 4), gates=ASKED)
    publish(registry, offered)
    again = publish(registry, offered)
    assert (again.decided, again.awaits_approval) == (False, True)
    assert kinds(registry) == ["registered", "proposed"]


def test_a_candidate_that_fails_a_gate_awaits_nobody(registry, make_package, candidate):
    decision = publish(registry, candidate(make_package("one", [True] * 4, verdict="neutral"), gates=ASKED))
    assert (decision.promoted, decision.awaits_approval) == (False, False)
    assert kinds(registry) == ["registered", "rejected"]


def test_an_approval_is_no_longer_awaited_once_another_became_champion(registry, make_package, candidate):
    publish(registry, candidate(make_package("one", [True] * 4), gates=ASKED))
    publish(registry, candidate(make_package("two", [True] * 4), gates=ASKED))
    assert registry.state("words").awaiting == (1, 2)
    registry.promote("words@1", "the one we know")
    assert registry.state("words").awaiting == ()


def test_gates_that_were_asked_before_a_new_kind_of_gate_existed_are_not_asked_again(registry, make_package, candidate):
    offered = candidate(make_package("one", [True] * 4, verdict="neutral"))
    publish(registry, offered)
    store, last = registry.store, "events/words/00000002.json"
    old = json.loads(store.get(last))
    del old["asked"]["approval"]
    store.put(last, json.dumps(old).encode())
    assert not publish(Registry(store, registry.cache), offered).decided
