"""The tags are those that GTO itself reads."""

import subprocess

import pytest
from gto.api import find_versions_in_stage
from gto.api import show as gto_show
from gto.tag import parse_name

from flows.commands.models import tag
from flows.tagging import find_commit, read_tags
from graft.errors import BadInput
from graft.exports import tags_of
from graft.registry.events import Promoted, Registered, signature
from graft.registry.fold import fold
from graft.registry.log import Log
from graft.registry.registry import open_registry

HERE, THERE = "a" * 40, "b" * 40


def happened(versions, *champions, model="words"):
    """Return events: so many versions, then champions."""
    registered = [
        Registered(model=model, version=number, digest=str(number), package="p", metrics={}, reason="", **signature())
        for number in range(1, versions + 1)
    ]
    return [
        *registered,
        *(Promoted(model=model, version=one, reason="", forced=False, **signature()) for one in champions),
    ]


def test_a_version_has_its_tag_and_one_for_each_alias():
    state = fold("words", happened(3, 2))
    assert [*tags_of(state, 1, HERE, {})] == ["words@v1.0.0"]
    assert [*tags_of(state, 2, HERE, {})] == ["words@v2.0.0", "words#champion#1"]
    assert [*tags_of(state, 3, HERE, {})] == ["words@v3.0.0", "words#challenger#1"]
    assert [*tags_of(state, 1, HERE, {}, ["prod", "dev"])] == ["words@v1.0.0", "words#prod#1", "words#dev#2"]


def test_what_is_said_already_is_not_said_again_and_what_changed_is_taken_back():
    state = fold("words", happened(2, 1, 2))
    known = {"words@v1.0.0": THERE, "words#champion#1": THERE, "words2#champion#9": THERE, "v7": THERE}
    found = tags_of(state, 2, HERE, known)
    assert found == {"words@v2.0.0": HERE, "words#champion!#2": THERE, "words#champion#3": HERE}
    known |= found
    assert tags_of(state, 2, HERE, known) == {}
    assert tags_of(state, 1, THERE, known, ["champion"]) == {"words#champion!#4": HERE, "words#champion#5": THERE}


def test_a_version_is_of_one_commit_and_a_commit_of_one_version():
    state = fold("words", happened(2))
    with pytest.raises(BadInput, match=r"words@v1\.0\.0 is at commit bbbbbbbbbbbb already"):
        tags_of(state, 1, HERE, {"words@v1.0.0": THERE})
    with pytest.raises(BadInput, match=r"words@v1\.0\.0 is at commit aaaaaaaaaaaa already(.|\n)*--commit"):
        tags_of(state, 2, HERE, {"words@v1.0.0": HERE})


def test_names_that_gto_refuses_are_refused():
    with pytest.raises(BadInput, match="'words-', 'a b': no name that GTO takes"):
        tags_of(fold("words-", happened(1, model="words-")), 1, HERE, {}, ["a b"])


def git(*arguments):
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Stand in a git repository of two commits whose registry has three versions, the second champion."""
    for variable, value in {"HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}.items():
        monkeypatch.setenv(variable, value)
    (tmp_path / "checkout").mkdir()
    monkeypatch.chdir(tmp_path / "checkout")
    git("init", "-q")
    git("config", "user.name", "anna")
    git("config", "user.email", "anna@example.org")
    for message in ("one", "two"):
        git("commit", "-q", "--allow-empty", "-m", message)
    for event in happened(3, 2):
        Log(open_registry().store).append("words", lambda state, event=event: event)
    return tmp_path / "checkout"


def test_gto_reads_what_was_created(checkout, capsys, monkeypatch):
    tag("words@1", [], "HEAD~1", create=True)
    tag("words@champion", ["prod"], "HEAD", create=True)
    assert capsys.readouterr().out.split()[::2] == ["words@v1.0.0", "words@v2.0.0", "words#prod#1"]
    assert all(parse_name(one) for one in read_tags())
    found = {row["version"]: row for row in gto_show(str(checkout), "words")}
    assert set(found) == {"v1.0.0", "v2.0.0"}
    assert found["v2.0.0"]["commit_hexsha"] == git("rev-parse", "HEAD")
    assert [one.version for one in find_versions_in_stage(str(checkout), "words", "prod")] == ["v2.0.0"]
    tag("words@2", ["prod"], "HEAD", create=True)
    assert capsys.readouterr().out == "words@2: every tag is there\n"
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2090-01-01T00:00:00Z")  # GTO goes by the second
    tag("words@1", ["prod"], "HEAD~1", create=True)
    assert [one.version for one in find_versions_in_stage(str(checkout), "words", "prod")] == ["v1.0.0"]


def test_nothing_is_created_where_tags_are_only_printed(checkout, capsys):
    tag("words@champion", [], "HEAD", create=False)
    assert capsys.readouterr().out.split()[::2] == ["words@v2.0.0", "words#champion#1"]
    assert read_tags() == {}


def test_a_revision_that_is_none_and_a_folder_without_git_are_one_message(checkout, tmp_path, monkeypatch):
    with pytest.raises(BadInput, match="nowhere: no commit of this checkout"):
        find_commit("nowhere")
    (tmp_path / "bare").mkdir()
    monkeypatch.chdir(tmp_path / "bare")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    with pytest.raises(BadInput, match="not a git repository"):
        read_tags()
