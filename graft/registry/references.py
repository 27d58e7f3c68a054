"""How a version is named: NAME, NAME@3, NAME@champion, NAME@challenger."""

from graft.catalog import NAME, nearest
from graft.errors import RegistryError
from graft.registry.fold import State, Version

ALIASES = ("champion", "challenger")
LONGEST = 40  # characters of a version; of thousands of digits Python makes no number


def split(reference: str) -> tuple[str, str]:
    """Return the model's name and what follows the @, which may be empty; raises RegistryError for other forms."""
    name, at, which = reference.partition("@")
    if not NAME.fullmatch(name) or (at and not which) or "@" in which or len(which) > LONGEST:
        raise RegistryError(
            f"{reference[:100]!r} names no model version; expected NAME, NAME@3, NAME@champion or NAME@challenger"
        )
    return name, which


def resolve(state: State, which: str) -> Version:
    """Return the version that `which` means; empty means the champion, else the latest."""
    if not state.versions:
        raise RegistryError(f"{state.model}: no version is registered yet; `graft run {state.model}` registers one")
    if not which:
        return state.version(state.champion or len(state.versions))
    if which.isdecimal():
        return state.version(int(which))
    if which not in ALIASES:
        raise RegistryError(f"{state.model}@{which}: no such alias; {nearest(which, list(ALIASES))}")
    if which not in state.aliases:
        raise RegistryError(
            f"{state.model}@{which}: no version is {which}; {state.model} has {len(state.versions)} version(s)",
            advice=f"`graft models history {state.model}` says why.",
        )
    return state.version(state.aliases[which])
