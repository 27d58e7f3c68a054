"""States of trainings in a store: another machine goes on, damage is passed over, nothing there stops a training."""

import json
import logging
import shutil

import pytest
import torch

from graft.errors import BadInput, Transient
from graft.manifest import MANIFEST
from graft.settings import settings
from graft.storage import LocalStore, MemoryStore, S3Store
from graft.training import offsite
from graft.training.checkpoint import Snapshot, load_snapshot, save_snapshot
from graft.training.offsite import Offsite, keep_files, recall_files
from tests.graft.storage.conftest import client, moto  # noqa: F401 -- a fixture


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """The store of a machine whose work folder is `here`, which is the working directory's."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("GRAFT_CHECKPOINTS", str(tmp_path / "store"))
    monkeypatch.setattr(offsite, "WAIT_SECONDS", 0.0)
    settings.cache_clear()
    offsite._open.cache_clear()
    yield offsite.offsite()
    offsite._open.cache_clear()


FOLDER = settings().work / "work" / "pretrain@s" / "key"


def save(step):
    save_snapshot(FOLDER, Snapshot(step, {"model/w": torch.full((4,), float(step))}, {"step": step}))
    assert offsite.offsite().flush()


def move(tmp_path):
    """Lose everything on this machine."""
    shutil.rmtree(tmp_path / "here" / ".graft")


def places(store):
    return sorted({key.rpartition("/")[0] for key in store.list()})


def test_another_machine_goes_on_from_the_newest_state_and_old_ones_are_thinned(elsewhere, tmp_path):
    for step in (1, 2, 3):
        save(step)
    assert [place.rpartition("/")[2][:13] for place in places(elsewhere.store)] == ["step-00000002", "step-00000003"]
    move(tmp_path)
    found = load_snapshot(FOLDER)
    assert (found.step, found.facts, found.tensors["model/w"].tolist()) == (3, {"step": 3}, [3.0] * 4)


def test_a_damaged_state_there_is_named_and_the_one_before_it_serves(elsewhere, tmp_path, caplog):
    save(1)
    save(2)
    place = places(elsewhere.store)[-1]
    path = elsewhere.store.root / place / "state.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    move(tmp_path)
    assert load_snapshot(FOLDER).step == 1
    assert place in caplog.text
    assert "state.safetensors" in caplog.text


def test_a_state_whose_manifest_never_arrived_is_none(elsewhere, tmp_path):
    save(1)
    save(2)
    elsewhere.store.delete(f"{places(elsewhere.store)[-1]}/{MANIFEST}")
    move(tmp_path)
    assert load_snapshot(FOLDER).step == 1


def test_what_an_upload_left_that_died_is_removed_by_the_next(elsewhere):
    save(1)
    key = f"{places(elsewhere.store)[0].rpartition('/')[0]}/step-00000002.dead/state.safetensors"
    elsewhere.store.put(key, b"half")
    save(3)
    save(4)
    assert key not in elsewhere.store.list()


def test_the_later_of_here_and_there_counts(elsewhere, tmp_path):
    save(1)
    shutil.copytree(tmp_path / "here", tmp_path / "old")
    save(2)
    move(tmp_path)
    shutil.copytree(tmp_path / "old", tmp_path / "here", dirs_exist_ok=True)
    assert load_snapshot(FOLDER).step == 2
    elsewhere.store.delete(f"{places(elsewhere.store)[-1]}/{MANIFEST}")
    assert load_snapshot(FOLDER).step == 2


def test_a_state_that_is_replaced_while_it_goes_up_is_not_mixed(elsewhere):
    """The same step, saved again: the files of one go up with the manifest of none."""

    class Slow(LocalStore):
        def put(self, key, content):
            super().put(key, content)
            if key.endswith("facts.json"):
                facts = json.loads((snapshot / "facts.json").read_text())
                save_snapshot(FOLDER, Snapshot(1, {"model/w": torch.ones(4)}, facts | {"again": True}))

    save(1)
    snapshot = next(FOLDER.glob("step-*"))
    store = Slow(elsewhere.store.root / "slow")
    Offsite(store, elsewhere.work)._upload(snapshot)
    assert not [key for key in store.list() if key.endswith(MANIFEST)]


class Broken(MemoryStore):
    """Refuses the first writes, as a store does that is gone for a while."""

    def __init__(self, refusals):
        super().__init__()
        self.refusals = refusals

    def put(self, key, content):
        self.refusals -= 1
        if self.refusals >= 0:
            raise Transient("the store is gone")
        super().put(key, content)


@pytest.mark.parametrize(("refusals", "arrives"), [(2, True), (1000, False)])
def test_a_store_that_fails_is_tried_again_said_and_stops_nothing(elsewhere, caplog, refusals, arrives):
    elsewhere.store = Broken(refusals)
    with caplog.at_level(logging.WARNING):
        save(1)
    assert "the store is gone; training goes on" in caplog.text
    assert any(key.endswith(MANIFEST) for key in elsewhere.store.list()) == arrives
    assert load_snapshot(FOLDER).step == 1


def test_a_training_that_would_begin_anew_asks_the_store_or_stops(elsewhere, tmp_path, caplog):
    def refuse(folder=""):
        raise BadInput("the store refused the credentials")

    save(1)
    elsewhere.store.list = refuse
    assert load_snapshot(FOLDER).step == 1
    assert "going on from what is here" in caplog.text
    move(tmp_path)
    with pytest.raises(BadInput, match="credentials"):
        load_snapshot(FOLDER)


def test_finished_work_is_forgotten_there_too(elsewhere):
    save(1)
    elsewhere.store.put("pretrain@other/key/step-00000001.x/facts.json", b"")
    offsite.forget(FOLDER)
    assert elsewhere.store.list() == ("pretrain@other/key/step-00000001.x/facts.json",)
    assert not FOLDER.exists()


def test_files_of_finished_work_come_back_whole_or_not_at_all(elsewhere, tmp_path, caplog):
    trial = settings().work / "work" / "adapt@t" / "key" / "trial"
    trial.mkdir(parents=True)
    for name in ("answers.npy", "outcome.json"):
        (trial / name).write_text(name)
    keep_files(trial / "answers.npy", trial / "outcome.json")
    assert elsewhere.flush()
    move(tmp_path)
    recall_files(trial, "answers.npy", "outcome.json")
    assert [(trial / name).read_text() for name in ("answers.npy", "outcome.json")] == ["answers.npy", "outcome.json"]
    move(tmp_path)
    key = next(key for key in elsewhere.store.list() if "answers" in key)
    (elsewhere.store.root / key).write_text("something else")
    recall_files(trial, "answers.npy", "outcome.json")
    assert not (trial / "outcome.json").exists()
    assert key in caplog.text


@pytest.mark.parametrize("when", ["before", "while it goes up"])
def test_a_file_whose_work_is_dropped_before_its_copy_is_made_is_nothing_to_warn_of(elsewhere, caplog, when):
    outcome = settings().work / "work" / "adapt@t" / "key" / "trial" / "outcome.json"
    outcome.parent.mkdir(parents=True)

    class Losing(LocalStore):
        def put(self, key, content):
            shutil.rmtree(outcome.parent)
            super().put(key, content)

    if when != "before":
        outcome.write_text("done")
        elsewhere.store = Losing(elsewhere.store.root)
    with caplog.at_level(logging.INFO):
        keep_files(outcome)
        assert elsewhere.flush()
    assert not caplog.records
    assert elsewhere.store.list() == ()


def test_states_that_another_machine_forgets_while_one_goes_up_are_nothing_to_warn_of(elsewhere, caplog):
    class Finished(LocalStore):
        def list(self, folder="", after=""):
            return ()

    elsewhere.store = Finished(elsewhere.store.root)
    with caplog.at_level(logging.INFO):
        save(1)
    assert not caplog.records


def test_a_bucket_serves_as_well(moto, elsewhere, tmp_path, monkeypatch):  # noqa: F811
    client(moto).create_bucket(Bucket="states")
    elsewhere.store = S3Store("states", "team", client=client(moto))
    for step in (1, 2, 3):
        save(step)
    assert len(places(elsewhere.store)) == 2
    move(tmp_path)
    assert load_snapshot(FOLDER).step == 3
    offsite.forget(FOLDER)
    assert elsewhere.store.list() == ()


def test_without_a_store_nothing_is_kept_and_nothing_asked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_snapshot(FOLDER, Snapshot(1, {"model/w": torch.zeros(1)}, {}))
    assert offsite.offsite() is None
    shutil.rmtree(tmp_path / ".graft")
    assert load_snapshot(FOLDER) is None
