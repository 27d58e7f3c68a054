"""A version as git tags that GTO reads (github.com/iterative/gto, its README, section "Git tags format").

`NAME@v3.0.0` registers version 3 at a commit. `NAME#champion#1` assigns what is registered at its commit to a stage,
`NAME#champion!#2` takes it back: of several versions in a stage GTO takes the highest, so a rollback has to say both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from graft.errors import BadInput
from graft.registry.fold import State

NAMED = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9-/_]*[a-zA-Z0-9])?")
"""What GTO takes for the name of an artifact or a stage."""


def version_tag(model: str, number: int) -> str:
    """Return the tag that registers a version; GTO wants three numbers (semver.org)."""
    return f"{model}@v{number}.0.0"


def tags_of(
    state: State, number: int, commit: str, known: Mapping[str, str], stages: Sequence[str] = ()
) -> dict[str, str]:
    """Return the tags, and the commit of each, that say what a version is beyond what `known` ones (the same) say.

    Stages are the version's aliases where none are given; each is taken back from any other version. Raises BadInput
    for names that GTO refuses, where the version is registered at another commit, and where another version is
    registered at this one: GTO tells them by their commits.
    """
    version = state.version(number)
    stages = stages or [alias for alias, meant in state.aliases.items() if meant == number]
    if wrong := [name for name in (version.model, *stages) if not NAMED.fullmatch(name)]:
        raise BadInput(
            f"{', '.join(map(repr, wrong))}: no name that GTO takes",
            advice="It takes letters, digits, '-', '_' and '/', and begins and ends with a letter or a digit.",
        )
    tag = version_tag(version.model, number)
    _refuse_commit(version.model, tag, commit, known)
    found = {} if tag in known else {tag: commit}
    following = 1 + max((count for _, _, _, count in _assignments(version.model, known)), default=0)
    for stage in dict.fromkeys(stages):
        there = _holders(version.model, stage, known)
        changes = [("!", other) for other in there if other != commit] + ([] if commit in there else [("", commit)])
        for sign, place in changes:
            found[f"{version.model}#{stage}{sign}#{following}"] = place
            following += 1
    return found


def _refuse_commit(model: str, tag: str, commit: str, known: Mapping[str, str]) -> None:
    if known.get(tag, commit) != commit:
        raise BadInput(f"{tag} is at commit {known[tag][:12]} already, not at {commit[:12]}", advice="Name that one.")
    others = [one for one, place in known.items() if place == commit and one != tag and one.startswith(f"{model}@v")]
    if others:
        raise BadInput(
            f"{others[0]} is at commit {commit[:12]} already, and GTO tells versions by their commits",
            advice=f"Name the commit that {tag} was made of with --commit.",
        )


def _assignments(model: str, known: Mapping[str, str]) -> list[tuple[str, str, str, int]]:
    """Return stage, sign, commit and number of each assignment of a model, in the order of their numbers."""
    pattern = re.compile(rf"{re.escape(model)}#([^#!]+)(!?)#([0-9]+)")
    found = ((pattern.fullmatch(tag), commit) for tag, commit in known.items())
    return sorted(((match[1], match[2], commit, int(match[3])) for match, commit in found if match), key=lambda a: a[3])


def _holders(model: str, stage: str, known: Mapping[str, str]) -> list[str]:
    """Return the commits whose version is in a stage."""
    signs = {commit: sign for name, sign, commit, _ in _assignments(model, known) if name == stage}
    return [commit for commit, sign in signs.items() if not sign]
