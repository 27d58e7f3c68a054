"""The laws of the fold, on any history that can happen and on some that cannot."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graft.errors import RegistryError
from graft.registry.events import Claimed, GateResult, Promoted, Proposed, Registered, Rejected, RolledBack, dump, parse
from graft.registry.fold import State, after, fold
from graft.registry.log import Log
from graft.storage import MemoryStore

GATE = GateResult(gate="verdict", passed=False, found="hurts", required="helps", reason="the verdict is hurts")


def about(version):
    return {
        "model": "m",
        "version": version,
        "who": "ann@host",
        "when": datetime(2026, 1, 1, tzinfo=UTC),
        "reason": "r",
    }


def registered(version, claim=None):
    about_package = {"digest": f"d{version}", "package": f"models/m/d{version}", "metrics": {"verdict": "helps"}}
    return Registered(**about(version), **about_package, claim=claim)


def promoted(version, claim=None):
    return Promoted(**about(version), claim=claim)


def rejected(version, claim=None):
    return Rejected(**about(version), gates=(GATE,), asked={}, claim=claim)


def proposed(version, claim=None):
    return Proposed(**about(version), gates=(GATE,), asked={}, claim=claim)


def claim(number):
    told = {name: value for name, value in about(1).items() if name != "version"}
    return Claimed(**told, claim=number, run=f"run {number}")


def rolled_back(version, abandoned):
    return RolledBack(**about(version), abandoned=abandoned)


@st.composite
def histories(draw):
    """Draw actions as people and publishers take them; those that are not possible are not taken."""
    events, versions, champions, claims = [], 0, [], 0
    actions = ["register", "promote", "propose", "reject", "roll back", "claim"]
    for action in draw(st.lists(st.sampled_from(actions), max_size=25)):
        under = draw(st.sampled_from([None, claims or None]))
        if action == "register":
            versions += 1
            events.append(registered(versions, under))
        elif action == "claim":
            claims += 1
            events.append(claim(claims))
        elif action == "roll back" and len(champions) > 1:
            events.append(rolled_back(champions[-2], champions.pop()))
        elif action in ("promote", "propose", "reject") and versions:
            version = draw(st.integers(1, versions))
            if action != "promote":
                events.append((rejected if action == "reject" else proposed)(version, under))
            elif version != (champions or [0])[-1]:
                champions.append(version)
                events.append(promoted(version, under))
    return events


@st.composite
def anything(draw):
    numbers = st.integers(1, 4)
    kinds = [
        numbers.map(registered),
        numbers.map(promoted),
        numbers.map(rejected),
        numbers.map(proposed),
        numbers.map(claim),
        st.builds(registered, numbers, numbers),
        st.builds(promoted, numbers, numbers),
        st.builds(rolled_back, numbers, numbers),
    ]
    return draw(st.lists(st.one_of(kinds), max_size=12))


@given(histories())
def test_every_prefix_folds_and_the_whole_is_the_prefix_and_the_rest(events):
    state = State("m")
    for number, event in enumerate(events):
        assert fold("m", events[:number]) == state
        state = after(state, event)
    assert fold("m", events) == state
    assert state.history == tuple(events)


@given(histories())
def test_versions_are_numbered_without_gaps_and_never_change(events):
    final = fold("m", events)
    assert [version.number for version in final.versions] == list(range(1, len(final.versions) + 1))
    for number in range(len(events)):
        earlier = fold("m", events[:number]).versions
        assert final.versions[: len(earlier)] == earlier


@given(anything())
def test_whatever_is_claimed_aliases_name_registered_versions_or_the_history_is_refused(events):
    try:
        state = fold("m", events)
    except RegistryError:
        return
    assert all(1 <= number <= len(state.versions) for number in [*state.aliases.values(), *state.awaiting])
    under = [event.claim for event in events if not isinstance(event, RolledBack) and event.claim is not None]
    assert under == sorted(under)
    assert state.next_claim == max(under, default=0) + 1
    assert state.champion is None or state.was_champion(state.champion)
    assert len(state.history) == len(events)


@given(histories())
def test_rolling_back_a_promotion_returns_to_the_previous_champion(events):
    state = fold("m", [*events, registered(len(fold("m", events).versions) + 1)])
    if state.champion is None:
        return
    newest = len(state.versions)
    there = after(state, promoted(newest))
    back = after(there, rolled_back(state.champion, newest))
    assert there.champion == newest
    assert back.champion == state.champion
    assert back.champions == state.champions


@given(histories(), st.randoms())
def test_the_order_in_which_objects_reached_the_store_is_of_no_account(events, random):
    store, numbered = MemoryStore(), list(enumerate(events, start=1))
    random.shuffle(numbered)
    for number, event in numbered:
        store.put(f"events/m/{number:08}.json", dump(event))
    assert Log(store).read("m") == fold("m", events)


@given(histories())
def test_events_survive_being_stored(events):
    assert [parse(dump(event), "key") for event in events] == events


@given(histories())
def test_the_challenger_is_the_newest_version_until_it_is_promoted(events):
    state = fold("m", events)
    newest = len(state.versions)
    since = [event for event in events if isinstance(event, Promoted) and event.version == newest]
    assert state.challenger == (newest if newest and not since else None)


@given(histories())
def test_what_awaits_approval_was_proposed_after_the_last_change_of_champion_and_not_rejected_since(events):
    changes = [number for number, event in enumerate(events) if isinstance(event, Promoted | RolledBack)]
    since = events[changes[-1] + 1 :] if changes else events
    last = {event.version: event for event in since if isinstance(event, Proposed | Rejected)}
    waiting = {version for version, event in last.items() if isinstance(event, Proposed)}
    assert set(fold("m", events).awaiting) == waiting


def test_logs_from_before_there_were_claims_still_fold():
    old = b"""{"model": "m", "version": 1, "who": "ann@host", "when": "2025-01-01T00:00:00Z", "reason": "r",
        "kind": "registered", "digest": "d", "package": "p", "metrics": {}}"""
    state = fold("m", [parse(old, "key"), promoted(1)])
    assert (state.champion, state.claim, state.next_claim) == (1, None, 1)


def test_the_next_number_claims_in_the_same_moment():
    state = fold("m", [claim(1), registered(1, 1), registered(2, 2), promoted(2, 2)])
    assert (state.claim.number, state.claim.run, state.champion) == (2, "publish, by hand", 2)


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([claim(2)], "the next claim is 1"),
        ([claim(1), claim(1)], "the next claim is 2"),
        ([claim(1), claim(2), registered(1, 1)], "said under claim 1, and the newest was 2"),
        ([registered(1), promoted(1, 2)], "said under claim 2, and the newest was 0"),
        ([registered(1), proposed(2)], "no such version"),
        ([registered(2)], "the next version is 1"),
        ([promoted(1)], "no such version"),
        ([registered(1), promoted(1), promoted(1)], "champion already"),
        ([registered(1), promoted(1), rolled_back(1, 1)], "the champions were"),
        ([registered(1), rejected(2)], "no such version"),
        ([registered(1).model_copy(update={"model": "other"})], "about model 'other'"),
    ],
)
def test_a_history_that_cannot_have_happened_is_refused(events, reason):
    with pytest.raises(RegistryError, match=reason):
        fold("m", events)


def test_what_is_not_an_event_is_refused_with_its_key():
    for content in (b"", b"{}", b'{"kind": "deleted"}', dump(registered(1)).replace(b'"who"', b'"whom"')):
        with pytest.raises(RegistryError, match=r"events/m/00000001\.json"):
            parse(content, "events/m/00000001.json")
