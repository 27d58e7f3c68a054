"""Layer groups as users name them: by number, by share, by name, by pattern."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from graft.backbones.groups import LayerGroup
from graft.errors import CatalogError

NUMBER = re.compile(r"(?:last\s+|top-)?(\d+)(?:\s+blocks?)?")
SHARE = re.compile(r"(?:last\s+|top-)?(\d+(?:\.\d+)?)\s*%(?:\s+blocks?)?")
Wanted = str | int | float


def select_groups(groups: Sequence[LayerGroup], wanted: Wanted | Sequence[Wanted]) -> tuple[str, ...]:
    """Return the names of the groups that one or several wishes name together, in the network's order.

    A wish is a number (`2`, "last 2", "top-2": the head and the last 2 blocks; 0 is the head alone), a share (`0.25`,
    "last 25 %", "top-25%": the head and that share of the blocks, at least one), the name of a group ("block 3",
    "stem"), "all", or a pattern with `*`, `?` or `[...]`, compared with the names of the groups and with the paths
    of their modules and weights ("block *", "*.layer.2.*"). A pattern selects whole groups.

    Raises CatalogError listing everything that is wrong: an unknown name, a depth that the backbone does not have, a
    pattern that matches nothing or everything.
    """
    wishes = [wanted] if isinstance(wanted, str | int | float) else list(wanted)
    found, problems = set[str](), list[str]()
    for wish in wishes:
        chosen = _match(groups, wish)
        if isinstance(chosen, str):
            problems.append(chosen)
        else:
            found.update(chosen)
    if not wishes:
        problems.append("nothing is named")
    if problems:
        raise CatalogError(
            f"layer groups: {', '.join(repr(wish) for wish in wishes) or 'an empty list'} cannot be resolved",
            problems,
            f"Groups of this backbone: {', '.join(group.name for group in groups)}. Name them by number (2), share "
            "('last 25 %'), name ('block 3'), pattern ('*.layer.2.*'), or 'all'; `graft layers` shows what they hold.",
        )
    return tuple(group.name for group in groups if group.name in found)


def _match(groups: Sequence[LayerGroup], wish: Wanted) -> list[str] | str:
    """Return the names that a wish matches, or what is wrong with it."""
    names = [group.name for group in groups]
    if isinstance(wish, bool):
        return f"{wish}: expected a number, a share, a name or a pattern"
    text = " ".join(str(wish).split())
    if isinstance(wish, float):
        return _last_share(names, wish, text)
    if text in names:
        return [text]
    if text == "all":
        return names
    if number := NUMBER.fullmatch(text):
        return _last(names, int(number[1]), text)
    if share := SHARE.fullmatch(text):
        return _last_share(names, float(share[1]) / 100, text)
    if any(sign in text for sign in "*?["):
        return _match_pattern(groups, text)
    return f"'{text}': no group of that name{_deepest(names) if text.startswith('block ') else ''}"


def _last(names: Sequence[str], blocks: int, text: str) -> list[str] | str:
    if blocks > len(names) - 2:
        return f"'{text}': {blocks} blocks are asked for{_deepest(names)}"
    return list(names[len(names) - 1 - blocks :])


def _last_share(names: Sequence[str], share: float, text: str) -> list[str] | str:
    if not 0 < share <= 1:
        return f"'{text}': a share lies above 0 and at most at 1 (100 %)"
    return _last(names, max(1, round(share * (len(names) - 2))), text)


def _deepest(names: Sequence[str]) -> str:
    return f"; this backbone has {len(names) - 2}"


def _match_pattern(groups: Sequence[LayerGroup], pattern: str) -> list[str] | str:
    matched = [group.name for group in groups if any(fnmatchcase(path, pattern) for path in _paths(group))]
    if not matched:
        return f"'{pattern}': matches no group and no module path, such as {_example(groups)}"
    if len(matched) == len(groups):
        return f"'{pattern}': matches every group; write 'all' if that is meant"
    return matched


def _paths(group: LayerGroup) -> Iterator[str]:
    """Yield the group's name, its module paths and its weights with the paths of the modules that hold them."""
    yield group.name
    yield from group.prefixes
    for weight in group.weights:
        parts = weight.split(".")
        yield from (path for i in range(len(parts), 0, -1) if group.owns(path := ".".join(parts[:i])))


def _example(groups: Sequence[LayerGroup]) -> str:
    middle = groups[len(groups) // 2]
    return f"'{next(iter(middle.prefixes), middle.name)}'"
