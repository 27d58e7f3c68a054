"""Two checkouts and one DVC remote: what one has finished the other restores; `graft remote` looks at all of it."""

import json
import logging
import shutil
import subprocess

import pytest

from flows.commands.remote import add, look
from flows.transfer import transfer
from graft.errors import BadInput, RemoteDamaged
from tasks.objects import outputs_of
from tasks.remote import find_remote

STAGES = ["check-source@words", "check-target@moods", "pretrain@words", "adapt@moods", "evaluate@moods"]


def run(target):
    """Run the transfer; the steps of this checkout make no package, so that publishing fails."""
    with pytest.raises(Exception, match=r"packages/|reports/"):
        transfer(target)


@pytest.fixture
def second(checkout, tmp_path, monkeypatch):
    """Return a function that goes to an empty checkout: what git has, and the same remote."""

    def go():
        folder = tmp_path / "second"
        shutil.copytree(checkout, folder, ignore=shutil.ignore_patterns("out", ".graft", "turns.txt", "cache", "tmp"))
        (folder / "dvc.lock").unlink()
        subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
        monkeypatch.chdir(folder)
        return folder

    return go


@pytest.mark.usefixtures("server")
def test_a_worker_on_an_empty_checkout_restores_what_another_has_finished(checkout, second, caplog):
    add("../remote", "team")
    run("moods")
    assert (checkout / "turns.txt").read_text().split() == STAGES
    empty = second()
    with caplog.at_level(logging.INFO):
        run("moods")
    assert not (empty / "turns.txt").exists()
    restored = [line for line in caplog.messages if "restored from the run cache" in line]
    assert [line.partition(": ")[0] for line in restored] == STAGES


@pytest.mark.usefixtures("server")
def test_all_results_are_looked_at_mended_where_they_can_be_and_named_where_not(checkout, capsys):
    run("moods")  # before there is a remote
    add("../remote", "team")
    look(mend=True, as_json=False)
    assert "5 stages and data files, 0 object(s) written again" in capsys.readouterr().out  # they are new there
    store = find_remote().store
    (item,) = outputs_of("adapt@moods")
    whole = store.get(item.key)
    store.delete(item.key)
    with pytest.raises(RemoteDamaged, match=r"adapt@moods: out/adapt@moods: object .* is missing"):
        look(mend=False, as_json=False)
    store.put(item.key, b"cut short")
    capsys.readouterr()
    look(mend=True, as_json=True)
    said = json.loads(capsys.readouterr().out)
    assert (said["looked_at"], said["faults"]) == (5, [])
    assert len(said["mended"]) == 1
    assert item.key in said["mended"][0]
    assert store.get(item.key) == whole


def test_without_a_remote_there_is_nothing_to_look_at(checkout):
    with pytest.raises(BadInput, match="graft remote add URL"):
        look(mend=True, as_json=False)
