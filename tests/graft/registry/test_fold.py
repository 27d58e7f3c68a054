"""The laws of the fold, on any history that can happen and on some that cannot."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graft.errors import RegistryError
from graft.registry.events import GateResult, Promoted, Registered, Rejected, RolledBack, dump, parse
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


def registered(version):
    return Registered(
        **about(version), digest=f"d{version}", package=f"models/m/d{version}", metrics={"verdict": "helps"}
    )


def promoted(version):
    return Promoted(**about(version))


def rejected(version):
    return Rejected(**about(version), gates=(GATE,), asked={})


def rolled_back(version, abandoned):
    return RolledBack(**about(version), abandoned=abandoned)


@st.composite
def histories(draw):
    """Draw actions as people and publishers take them; those that are not possible are not taken."""
    events, versions, champions = [], 0, []
    for action in draw(st.lists(st.sampled_from(["register", "promote", "reject", "roll back"]), max_size=25)):
        if action == "register":
            versions += 1
            events.append(registered(versions))
        elif action == "roll back" and len(champions) > 1:
            events.append(rolled_back(champions[-2], champions.pop()))
        elif action in ("promote", "reject") and versions:
            version = draw(st.integers(1, versions))
            if action == "reject":
                events.append(rejected(version))
            elif version != (champions or [0])[-1]:
                champions.append(version)
                events.append(promoted(version))
    return events


@st.composite
def anything(draw):
    numbers = st.integers(1, 4)
    kinds = [
        numbers.map(registered),
        numbers.map(promoted),
        numbers.map(rejected),
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
    assert all(1 <= number <= len(state.versions) for number in state.aliases.values())
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


@pytest.mark.parametrize(
    ("events", "reason"),
    [
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
