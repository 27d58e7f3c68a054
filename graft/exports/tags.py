"""A version as git tags that GTO reads (github.com/iterative/gto, its README, section "Git tags format").

`NAME@v3.0.0` registers version 3 at a commit, `NAME#champion#1` assigns what is registered at that commit to a stage.
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
) -> list[str]:  # fmt: skip
    """Return the tags at a commit that say what a version is, but for what the `known` ones (commit by tag) say.

    Stages are the version's aliases where none are given. An assignment has the next number of all of the model's; the
    last one of a stage holds. Raises BadInput for names that GTO refuses, and where the version is registered at
    another commit.
    """
    version = state.version(number)
    stages = stages or [alias for alias, meant in state.aliases.items() if meant == number]
    if wrong := [name for name in (version.model, *stages) if not NAMED.fullmatch(name)]:
        raise BadInput(
            f"{', '.join(map(repr, wrong))}: no name that GTO takes",
            advice="It takes letters, digits, '-', '_' and '/', and begins and ends with a letter or a digit.",
        )
    tag = version_tag(version.model, number)
    if known.get(tag, commit) != commit:
        raise BadInput(f"{tag} is at commit {known[tag][:12]} already, not at {commit[:12]}", advice="Name that one.")
    numbers = _assignments(version.model, known)
    missing = [stage for stage in stages if known.get(_last(version.model, stage, numbers)) != commit]
    following = 1 + max((number for number, _ in numbers), default=0)
    assigned = [f"{version.model}#{stage}#{following + place}" for place, stage in enumerate(missing)]
    return [*([] if tag in known else [tag]), *assigned]


def _assignments(model: str, known: Mapping[str, str]) -> list[tuple[int, str]]:
    """Return number and stage of each assignment of a model."""
    pattern = re.compile(rf"{re.escape(model)}#([^#!]+)!?#([0-9]+)")
    found = (pattern.fullmatch(tag) for tag in known)
    return sorted((int(match[2]), match[1]) for match in found if match)


def _last(model: str, stage: str, numbers: Sequence[tuple[int, str]]) -> str:
    number = max((number for number, one in numbers if one == stage), default=0)
    return f"{model}#{stage}#{number}"
