"""The events of a model in a store: read in order, appended by exactly one of all who try."""

import random
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TypeVar

from graft.errors import RegistryError, Transient
from graft.registry.claims import fence
from graft.registry.events import Event, dump, parse
from graft.registry.fold import State, after
from graft.storage import Store

TRIES = 100  # each lost try means that another writer got on, and waits grow; a hundred in a row mean a broken store
AT_ONCE = 8  # events that are fetched side by side, because each costs a round trip to a distant store
LONGEST_WAIT = 2.0  # seconds between two tries

Saying = TypeVar("Saying", bound=Event | None)


class Log:
    """The events in a store. What was read once is kept, for an event never changes: only newer ones are fetched."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._states: dict[str, State] = {}
        self._lock = Lock()

    def models(self) -> tuple[str, ...]:
        """Return the names of all models that have an event."""
        return tuple(sorted({key.split("/")[1] for key in self.store.list("events") if key.count("/") == 2}))

    def read(self, model: str) -> State:
        """Return a model's present state; raises RegistryError when an event is missing or unreadable."""
        with self._lock:
            state = self._states.get(model, State(model))
        known = len(state.history)
        keys = self.store.list(f"events/{model}", after=_key(model, known) if known else "")
        expected = tuple(_key(model, known + number) for number in range(1, len(keys) + 1))
        if keys != expected:
            raise _hole(model, keys, expected)
        for event in self._events(keys):
            state = after(state, event)
        self._keep(state)
        return state

    def append(self, model: str, decide: Callable[[State], Saying]) -> tuple[State, Saying]:
        """Add the event that `decide` makes of the present state; return the state after it, and the event.

        When another writer was first, the state is read again and `decide` asked again, so it never acts on
        an old state. None means that there is nothing to say. Raises Fenced when the event was to be said under a claim
        that another run has taken over, and Transient after a hundred lost tries.
        """
        for lost in range(1, TRIES + 1):
            started = time.monotonic()
            state = self.read(model)
            event = decide(state)
            if event is None:
                return state, event
            fence(state, event)
            following = after(state, event)  # what the fold would refuse is never written
            if self.store.put_if_absent(_key(model, len(following.history)), dump(event)):
                self._keep(following)
                return following, event
            _wait(time.monotonic() - started, lost)
        raise Transient(f"{model}: {TRIES} others wrote first, or the store does not list what it holds; try again")

    def _keep(self, state: State) -> None:
        with self._lock:
            if len(state.history) > len(self._states.get(state.model, State(state.model)).history):
                self._states[state.model] = state

    def _events(self, keys: tuple[str, ...]) -> Iterable[Event]:
        if len(keys) < 2:
            return [parse(self.store.get(key), key) for key in keys]
        with ThreadPoolExecutor(min(AT_ONCE, len(keys))) as pool:
            contents = [*pool.map(self.store.get, keys)]
        return [parse(content, key) for content, key in zip(contents, keys, strict=True)]


def _wait(seconds: float, lost: int) -> None:
    """Wait at random, after each lost try up to twice as long, so that many writers do not go on colliding.

    The measure is what a try takes with this store: milliseconds in a folder, tenths of a second far away.
    """
    time.sleep(random.uniform(0, min(LONGEST_WAIT, seconds * 2 ** min(lost, 6))))


def _hole(model: str, keys: tuple[str, ...], expected: tuple[str, ...]) -> RegistryError:
    missing = sorted(set(expected) - set(keys))
    return RegistryError(
        f"events/{model}: the history has a hole; {missing[0]} is missing",
        [f"{key} does not belong there" for key in keys if key not in expected],
        "Restore the objects from a backup; events are never removed.",
    )


def _key(model: str, number: int) -> str:
    return f"events/{model}/{number:08}.json"
