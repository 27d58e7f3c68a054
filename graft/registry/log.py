"""The events of a model in a store: read in order, appended by exactly one of all who try."""

from collections.abc import Callable
from typing import TypeVar

from graft.errors import RegistryError, Transient
from graft.registry.events import Promoted, Registered, Rejected, RolledBack, dump, parse
from graft.registry.fold import State, after, fold
from graft.storage import Store

TRIES = 1000  # each lost try means that another writer got on; a thousand in a row means a broken store

Saying = TypeVar("Saying", bound=Registered | Promoted | Rejected | RolledBack | None)


def models(store: Store) -> tuple[str, ...]:
    """Return the names of all models that have an event."""
    return tuple(sorted({key.split("/")[1] for key in store.list("events") if key.count("/") == 2}))


def read(store: Store, model: str) -> State:
    """Return a model's state; raises RegistryError when an event is missing or unreadable."""
    keys = store.list(f"events/{model}")
    expected = tuple(_key(model, number) for number in range(1, len(keys) + 1))
    if keys != expected:
        missing = sorted(set(expected) - set(keys))
        raise RegistryError(
            f"events/{model}: the history has a hole; {missing[0]} is missing",
            [f"{key} does not belong there" for key in keys if key not in expected],
            "Restore the objects from a backup; events are never removed.",
        )
    return fold(model, (parse(store.get(key), key) for key in keys))


def append(store: Store, model: str, decide: Callable[[State], Saying]) -> tuple[State, Saying]:
    """Add the event that `decide` makes of the present state; return the state after it, and the event.

    When another writer was first, the state is read again and `decide` asked again, so it never acts on
    an old state. None means that there is nothing to say. Raises Transient after a thousand lost tries.
    """
    for _ in range(TRIES):
        state = read(store, model)
        event = decide(state)
        if event is None:
            return state, event
        following = after(state, event)  # what the fold would refuse is never written
        if store.put_if_absent(_key(model, len(following.history)), dump(event)):
            return following, event
    raise Transient(f"{model}: {TRIES} others wrote first, or the store does not list what it holds; try again")


def _key(model: str, number: int) -> str:
    return f"events/{model}/{number:08}.json"
