"""Git tags of this checkout."""

from __future__ import annotations

import subprocess

from graft.errors import BadInput


def find_commit(revision: str) -> str:
    """Return the commit that a revision names; raises BadInput where there is none."""
    return _git(
        "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}", about=revision
    ).strip()


def read_tags() -> dict[str, str]:
    """Return the commit of each tag."""
    lines = _git("for-each-ref", "--format=%(refname:strip=2) %(objectname) %(*objectname)", "refs/tags").splitlines()
    # of an annotated tag the second is the tag itself, and the third what it is of
    return {name: commits[-1] for name, *commits in map(str.split, lines)}


def create_tag(name: str, commit: str, message: str) -> None:
    """Make an annotated tag: GTO passes over others, which have no time."""
    _git("tag", "--annotate", "--message", message, name, commit, about=name)


def _git(*arguments: str, about: str = "") -> str:
    found = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if found.returncode:
        said = found.stderr.strip().splitlines() or [f"{about}: no commit of this checkout"]
        raise BadInput(f"git {arguments[0]}: {said[0]}", said[1:], "Call it in the git repository that is tagged.")
    return found.stdout
