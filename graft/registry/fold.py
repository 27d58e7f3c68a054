"""The state of a model is the fold of its events: a pure function, the same for every reader."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import reduce
from typing import Any

from graft.errors import RegistryError
from graft.registry.events import Claimed, Decided, Event, Promoted, Proposed, Registered, Rejected, RolledBack


@dataclass(frozen=True)
class Version:
    """A registered package."""

    model: str
    number: int
    digest: str
    package: str
    metrics: dict[str, Any]
    who: str
    when: datetime

    @property
    def name(self) -> str:
        """The reference of this version, such as `digits@3`."""
        return f"{self.model}@{self.number}"

    @property
    def verdict(self) -> str:
        """What the evaluation found: helps, neutral, hurts or cannot-tell."""
        return str(self.metrics.get("verdict", "cannot-tell"))


@dataclass(frozen=True)
class Claim:
    """Who may publish by itself: the run that took the newest number."""

    number: int
    run: str
    who: str
    when: datetime


@dataclass(frozen=True)
class State:
    """A model after some of its events. `champions` are the present one, last, and those it would fall back to.

    `awaiting` are the versions that passed every gate against the present champion and await a person's approval;
    `claim` is the newest, None where no run has ever claimed the model.
    """

    model: str
    versions: tuple[Version, ...] = ()
    champions: tuple[int, ...] = ()
    challenger: int | None = None
    awaiting: tuple[int, ...] = ()
    claim: Claim | None = None
    history: tuple[Event, ...] = field(default=(), repr=False)

    @property
    def champion(self) -> int | None:
        """The version that `NAME@champion` means."""
        return self.champions[-1] if self.champions else None

    @property
    def next_claim(self) -> int:
        """The number by which the next run takes the model over."""
        return self.claim.number + 1 if self.claim else 1

    @property
    def aliases(self) -> dict[str, int]:
        """Version by alias, for the aliases that stand for one."""
        named = {"champion": self.champion, "challenger": self.challenger}
        return {alias: number for alias, number in named.items() if number is not None}

    def version(self, number: int) -> Version:
        """Return a version; raises RegistryError when it was never registered."""
        if 1 <= number <= len(self.versions):
            return self.versions[number - 1]
        there = f"versions 1 to {len(self.versions)}" if self.versions else "no version"
        raise RegistryError(f"{self.model}@{number}: no such version; {self.model} has {there}")

    def with_digest(self, digest: str) -> Version | None:
        """Return the version that holds a package, if one does."""
        return next((version for version in self.versions if version.digest == digest), None)

    def decision(self, number: int) -> Decided | None:
        """Return the last gate decision on a version; promotions by hand are none."""
        decisions = [event for event in self.history if isinstance(event, Decided) and event.gates]
        return next((event for event in reversed(decisions) if event.version == number), None)

    def was_champion(self, number: int) -> bool:
        """Return whether a version has ever been champion."""
        return any(isinstance(event, Promoted) and event.version == number for event in self.history)


def fold(model: str, events: Iterable[Event]) -> State:
    """Return the state after all events, in their order; raises RegistryError at one that could not have happened."""
    return reduce(after, events, State(model))


def after(state: State, event: Event) -> State:
    """Return the state after one more event; raises RegistryError when it does not follow from what was before."""
    if event.model != state.model:
        raise _impossible(state, event, f"it is about model '{event.model}'")
    state = replace(state, history=(*state.history, event))
    if isinstance(event, Registered | Decided):
        state = _under_claim(state, event)
    match event:
        case Claimed():
            return _claimed(state, event)
        case Registered():
            return _registered(state, event)
        case Promoted():
            return _promoted(state, event)
        case Proposed():
            state.version(event.version)
            return replace(state, awaiting=(*_without(state.awaiting, event.version), event.version))
        case Rejected():
            state.version(event.version)
            return replace(state, awaiting=_without(state.awaiting, event.version))
        case RolledBack():
            return _rolled_back(state, event)


def _claimed(state: State, event: Claimed) -> State:
    if event.claim != state.next_claim:
        raise _impossible(state, event, f"the next claim is {state.next_claim}")
    return replace(state, claim=Claim(event.claim, event.run, event.who, event.when))


def _under_claim(state: State, event: Registered | Decided) -> State:
    if event.claim in (None, state.next_claim - 1):
        return state
    if event.claim == state.next_claim:
        return replace(state, claim=Claim(event.claim, "publish, by hand", event.who, event.when))
    newest = state.next_claim - 1
    raise _impossible(state, event, f"it was said under claim {event.claim}, and the newest was {newest}")


def _registered(state: State, event: Registered) -> State:
    if event.version != len(state.versions) + 1:
        raise _impossible(state, event, f"the next version is {len(state.versions) + 1}")
    version = Version(event.model, event.version, event.digest, event.package, event.metrics, event.who, event.when)
    return replace(state, versions=(*state.versions, version), challenger=event.version)


def _promoted(state: State, event: Promoted) -> State:
    state.version(event.version)
    if event.version == state.champion:
        raise _impossible(state, event, "that version is champion already")
    challenger = None if state.challenger == event.version else state.challenger
    # What awaited approval was better than the champion before; against this one it was never held.
    return replace(state, champions=(*state.champions, event.version), challenger=challenger, awaiting=())


def _rolled_back(state: State, event: RolledBack) -> State:
    if state.champions[-2:] != (event.version, event.abandoned):
        raise _impossible(state, event, f"the champions were {list(state.champions)}")
    return replace(state, champions=state.champions[:-1], awaiting=())


def _without(numbers: tuple[int, ...], number: int) -> tuple[int, ...]:
    return tuple(one for one in numbers if one != number)


def _impossible(state: State, event: Event, reason: str) -> RegistryError:
    about = f"claim {event.claim}" if isinstance(event, Claimed) else f"version {event.version}"
    what = f"event {len(state.history)} ({event.kind}, {about})"
    return RegistryError(
        f"{state.model}: {what} cannot have happened: {reason}",
        advice="The registry's events were changed by hand; restore them from a backup.",
    )
