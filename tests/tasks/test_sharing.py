"""A DVC remote that is not believed: real DVC, a folder and two S3 servers, and what can happen to an object there."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from graft.errors import BadInput, RemoteDamaged, Transient
from graft.storage import LocalStore, S3Store
from tasks.objects import expand, find_damage, outputs_of, read_listing
from tasks.pipeline import bring, reproduce
from tasks.remote import add_remote, cache_folder, find_remote
from tasks.sharing import check, fetch_runs, is_shared, share, unshared
from tests.graft.storage.conftest import KEY, SECRET, client, free_port, moto, rclone  # noqa: F401 -- a fixture

PIPELINE = """
stages:
  make:
    cmd: python step.py
    deps: [step.py, input.txt]
    outs: [out]
"""
# Trains: weights that depend on the input alone, and a manifest that differs from run to run.
STEP = """
import pathlib, time
from graft.manifest import whole_folder
with open("turns.txt", "a") as turns:
    turns.write("turn\\n")
with whole_folder(pathlib.Path("out"), at=time.time_ns()) as folder:
    (folder / "weights").write_bytes(pathlib.Path("input.txt").read_bytes() * 1000)
    (folder / "curves.csv").write_text("step,loss\\n")
"""
ROOT = Path(__file__).parents[2]
SILENT = lambda line: None  # noqa: E731


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A checkout that trained one stage and shared it, and its remote beside it; made once and copied."""
    folder = tmp_path_factory.mktemp("trained") / "first"
    (folder / "rows").mkdir(parents=True)
    (folder / ".gitignore").write_text("/out\n/.graft\n/turns.txt\n/rows\n")
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "step.py").write_text(STEP)
    (folder / "input.txt").write_text("hello")
    for name in ("a.csv", "b.csv"):
        (folder / "rows" / name).write_text(f"text,label\n{name},x\n")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    for words in (["init", "-q"], ["add", "-q", "rows"]):
        subprocess.run([sys.executable, "-m", "dvc", *words], cwd=folder, check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PYTHONPATH", str(ROOT))
        add_remote("../remote", "team")
        assert reproduce("make", SILENT).action == "ran"
    return folder.parent


@pytest.fixture
def place(request, tmp_path, monkeypatch):
    """Where the remote is: a folder, or a bucket of a real server."""
    kind = getattr(request, "param", "folder")
    with contextlib.ExitStack() as stack:
        if kind == "folder":
            yield "../remote"
            return
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        bucket = f"dvc-{abs(hash(request.node.nodeid)) % 10**9}"
        if kind == "moto":
            url = request.getfixturevalue("moto")
        else:
            (tmp_path / "served").mkdir()
            url = stack.enter_context(rclone(tmp_path / "served", free_port()))
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        client(url).create_bucket(Bucket=bucket)
        yield f"s3://{bucket}/team"


everywhere = pytest.mark.parametrize("place", ["folder", "moto", "rclone"], indirect=True)


@pytest.fixture
def first(trained, tmp_path, monkeypatch, place):
    """The checkout that trained and shared; it is the working directory."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path / "first")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    if place != "../remote":
        add_remote(place, "bucket")
        share("make", find_remote(), SILENT)
    return tmp_path / "first"


@pytest.fixture
def elsewhere(first, tmp_path, monkeypatch):
    """Return a function that goes to an empty checkout with an empty cache: what git has, and the same remote."""

    def go(name="second"):
        folder = tmp_path / name
        for kept in (".gitignore", "dvc.yaml", "step.py", "input.txt", "rows.dvc", ".dvc/config", ".dvc/.gitignore"):
            (folder / kept).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(first / kept, folder / kept)
        subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
        monkeypatch.chdir(folder)
        return folder

    return go


def turns(folder):
    path = folder / "turns.txt"
    return len(path.read_text().split()) if path.exists() else 0


def item_at(path):
    """Return an output's object; `path` of a folder means its listing."""
    items = expand(outputs_of("make"), lambda item: read_listing(item, cache_folder()))
    return next(item for item in items if item.path == Path(path))


def flip(store, key):
    content = store.get(key)
    put(store, key, bytes([content[0] ^ 1]) + content[1:])


def cut(store, key):
    put(store, key, store.get(key)[:-10])


def drop(store, key):
    store.delete(key)


def put(store, key, content):
    """Write as a fault does: where files are, into the file."""
    if isinstance(store, LocalStore):
        path = store.root / key
        path.chmod(0o644)
        path.write_bytes(content)
    else:
        store.put(key, content)


FAULTS = [(flip, "damaged"), (drop, "missing"), (cut, "damaged")]


@everywhere
def test_an_empty_checkout_restores_what_was_trained_elsewhere(first, elsewhere):
    second, said = elsewhere(), []
    result = reproduce("make", said.append)
    assert (result.action, turns(second)) == ("restored", 0)
    assert (second / "out" / "weights").read_bytes() == (first / "out" / "weights").read_bytes()
    assert said == []


@everywhere
def test_faults_in_the_remote_are_found_named_and_mended_from_here(first):
    remote = find_remote()
    before = {key: remote.store.get(key) for key in remote.store.list()}
    damaged = {"out/weights": flip, "out/manifest.json": cut, "out/curves.csv": drop}
    items = {path: item_at(path) for path in damaged}
    for path, damage in damaged.items():
        damage(remote.store, items[path].key)
    said = []
    found = share("make", remote, said.append)
    assert {(fault.item, fault.mended) for fault in found} == {(item, True) for item in items.values()}
    assert said == [*map(str, found)]
    for fault in found:
        words = ["make: ", str(fault.item.path), fault.item.key, "written again"]
        words += ["missing" if fault.item == items["out/curves.csv"] else "damaged"]
        assert [word for word in words if word not in str(fault)] == []
    assert share("make", remote, said.append) == []
    assert {key: remote.store.get(key) for key in remote.store.list()} == before


@pytest.mark.parametrize(("damage", "word"), FAULTS)
def test_a_fault_in_the_listing_of_a_folder_is_mended_too(first, damage, word):
    remote, item = find_remote(), item_at("out")
    whole = remote.store.get(item.key)
    damage(remote.store, item.key)
    said = []
    share("make", remote, said.append)
    assert remote.store.get(item.key) == whole
    assert len(said) == 1
    assert f"out: object {item.key} is {word}" in said[0]


def test_dvc_finds_nothing_wrong_with_a_damaged_remote(first):
    """Why it is not believed; a DVC that finds this makes our own look one too many."""
    remote, item = find_remote(), item_at("out/weights")
    (remote.store.root / item.key).chmod(0o644)
    path = remote.store.root / item.key
    path.write_bytes(b"damaged")
    path.chmod(0o444)
    result = subprocess.run([sys.executable, "-m", "dvc", "push", "make"], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "Everything is up to date.\n")
    assert [fault.item for fault in check("make", remote.store, mend=False)] == [item]


@pytest.mark.parametrize(
    ("place", "path", "damage", "word"),
    [
        ("folder", "out/weights", drop, "missing"),
        ("folder", "out/manifest.json", cut, "damaged"),
        ("folder", "out", drop, "missing"),
        ("moto", "out/weights", flip, "damaged"),
        ("rclone", "out/manifest.json", drop, "missing"),
    ],
    indirect=["place"],
)
def test_a_result_that_cannot_be_restored_is_named_and_trained_again(first, elsewhere, damage, word, path):
    item, store = item_at(path), find_remote().store
    damage(store, item.key)
    second, said = elsewhere(), []
    assert reproduce("make", said.append).action == "ran"
    assert turns(second) == 1
    line = next(line for line in said if item.key in line)
    assert word in line
    if path == "out/weights":  # the same bytes came out, so the remote has them again
        assert "written again from the copy here" in line
    else:
        assert any("could not be restored" in line for line in said)
    assert check("make", find_remote().store, mend=False) == []
    if path == "out/weights":
        return
    third = elsewhere("third")
    assert reproduce("make", said.append).action == "restored"
    assert turns(third) == 0


@everywhere
def test_of_the_run_cache_only_what_is_not_here_is_fetched(first, elsewhere):
    store = find_remote().store
    (mine,) = store.list("runs")
    other = f"runs/00/{'0' * 64}/{'1' * 64}"
    store.put(other, b"cmd: other\nouts: []\n")
    store.put(f"runs/00/{'0' * 64}/{'2' * 64}", b"{")
    assert fetch_runs(store) == [other, f"runs/00/{'0' * 64}/{'2' * 64}"]
    assert (cache_folder() / other).read_bytes() == store.get(other)
    assert fetch_runs(store) == [f"runs/00/{'0' * 64}/{'2' * 64}"]  # what cannot be read is not kept
    elsewhere()
    assert mine in fetch_runs(store)
    assert reproduce("make", SILENT).action == "restored"


def test_a_damaged_entry_of_the_run_cache_is_named_and_removed(first, elsewhere):
    store = find_remote().store
    (key,) = store.list("runs")
    put(store, key, store.get(key).replace(b"path: out", b"path: oat"))
    second, said = elsewhere(), []
    assert reproduce("make", said.append).action == "ran"
    assert any(key in line and "damaged" in line for line in said)
    assert len(store.list("runs")) == 1
    assert turns(second) == 1


def test_what_is_whole_nowhere_is_named_all_at_once_and_nothing_is_written(first):
    store, items = find_remote().store, [item_at("out/weights"), item_at("out/curves.csv")]
    for item in items:
        flip(store, item.key)
        for path in (cache_folder() / item.key, item.path):
            path.chmod(0o644)
            path.write_bytes(b"neither")
    before = {key: store.get(key) for key in store.list()}
    with pytest.raises(RemoteDamaged) as raised:
        share("make", find_remote(), SILENT)
    assert len(raised.value.problems) == 2
    assert all(item.key in str(raised.value) and str(item.path) in str(raised.value) for item in items)
    assert "graft remote check" in str(raised.value)
    assert {key: store.get(key) for key in store.list()} == before


def test_a_restored_file_that_is_damaged_is_found_although_dvc_does_not_look(first, elsewhere):
    """The remote's bytes are wrong and `verify` is off: what DVC takes without a word."""
    item, store = item_at("out/weights"), find_remote().store
    flip(store, item.key)
    second, said = elsewhere(), []
    config = second / ".dvc" / "config"
    config.write_text(config.read_text().replace("verify = true", "verify = false"))
    assert reproduce("make", said.append).action == "ran"
    assert any("out/weights" in line and item.key in line for line in said)
    assert turns(second) == 1
    assert (second / "out" / "weights").read_bytes() == (first / "out" / "weights").read_bytes()
    assert check("make", store, mend=False) == []


def test_what_is_on_disk_is_compared_with_names_listing_and_manifest(first):
    assert find_damage("make", cache_folder()) == []
    (first / "out" / "curves.csv").write_text("changed")
    (first / "out" / "weights").unlink()
    damage = find_damage("make", cache_folder())
    assert [line.split(" (")[0] for line in damage] == ["out/curves.csv: damaged", "out/weights: missing"]
    listing = cache_folder() / item_at("out").key
    listing.chmod(0o644)
    listing.write_text("[]")
    assert "listing" in find_damage("make", cache_folder())[0]


def test_a_remote_that_is_gone_stops_before_training_and_keeps_what_is_here(first, elsewhere):
    there = shutil.move(first.parent / "remote", first.parent / "unmounted")
    (first / "input.txt").write_text("changed")
    with pytest.raises(Transient, match="is gone"):
        reproduce("make", SILENT)
    assert turns(first) == 1
    (first / "input.txt").write_text("hello")
    assert reproduce("make", SILENT).action == "skipped"  # nothing is to be done, so the remote is not asked
    elsewhere()
    with pytest.raises(Transient, match="is gone"):
        reproduce("make", SILENT)
    shutil.move(there, first.parent / "remote")
    assert reproduce("make", SILENT).action == "restored"


def test_what_a_gone_remote_missed_is_pushed_by_the_same_command(first):
    (first / "input.txt").write_text("changed")
    (first / "step.py").write_text(STEP + "\nimport shutil\nshutil.move('../remote', '../unmounted')\n")
    with pytest.raises(Transient, match="is gone"):
        reproduce("make", SILENT)
    assert turns(first) == 2
    shutil.move("../unmounted", "../remote")
    assert unshared(["make"]) == ["make"]
    assert reproduce("make", SILENT).action == "skipped"
    assert is_shared("make", find_remote())
    assert unshared(["make"]) == []
    assert check("make", find_remote().store, mend=False) == []


def test_a_server_that_is_gone_is_worth_another_try(first, monkeypatch, tmp_path):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    (first / ".dvc" / "config").write_text("[core]\n    remote = t\n['remote \"t\"']\n    url = s3://team/x\n")
    (first / "input.txt").write_text("changed")
    with pytest.raises(Transient):
        reproduce("make", SILENT)
    assert turns(first) == 1


def test_wrong_credentials_are_said_and_none_of_them_shown(first, monkeypatch, tmp_path):
    (tmp_path / "served").mkdir()
    with rclone(tmp_path / "served", free_port()) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
        client(url).create_bucket(Bucket="team")
        with pytest.raises(BadInput, match="refused the credentials") as refused:
            add_remote("s3://team/x", "bucket")
    assert "not-the-secret" not in str(refused.value)
    assert find_remote().name == "team"  # the one from before


def test_an_object_in_parts_is_known_by_the_digest_of_its_parts(first, request, monkeypatch):
    url = request.getfixturevalue("moto")
    made = client(url)
    made.create_bucket(Bucket="parts")
    content = os.urandom(2**20) * 40
    (first / "input.txt").write_bytes(content[:40_000])
    reproduce("make", SILENT)
    store, item = S3Store("parts", client=made), item_at("out/weights")
    store.put(item.key, item.path)
    assert store.stat(item.key).parts
    made.get_object = None  # nothing is downloaded where the parts' digests tell
    assert not [fault for fault in check("make", store, mend=False) if fault.item == item]


def test_data_under_dvc_is_shared_by_whoever_has_it_and_compared_by_whoever_brings_it(first, elsewhere):
    said = []
    bring("rows.dvc", said.append)
    assert check("rows.dvc", find_remote().store, mend=False) == []
    second = elsewhere()
    bring("rows.dvc", said.append)
    assert (second / "rows" / "a.csv").read_text() == (first / "rows" / "a.csv").read_text()


@pytest.mark.parametrize(("damage", "verify"), [(flip, True), (flip, False), (drop, True), (cut, False)])
def test_damaged_data_is_named_and_not_left_half_brought(first, elsewhere, damage, verify):
    bring("rows.dvc", SILENT)
    item = next(item for item in expand(outputs_of("rows.dvc"), lambda item: read_listing(item, cache_folder())))
    damage(find_remote().store, item.key)
    second = elsewhere()
    config = second / ".dvc" / "config"
    config.write_text(config.read_text().replace("verify = true", f"verify = {str(verify).lower()}"))
    with pytest.raises(BadInput, match=r"rows: the data is not here") as raised:
        bring("rows.dvc", SILENT)
    assert item.key in str(raised.value)
    assert not (second / "rows").exists()


def test_a_remote_is_set_with_verify(first):
    found = find_remote()
    assert (found.name, found.url, found.verifies) == ("team", "../remote", True)
    assert found.store.root.resolve() == first.parent / "remote"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("gs://team/x", "no store is known"),
        ("s3://key:secret@team/x", "credentials"),
        ("inside", "lost with it"),
        ("../file/below", "cannot be written"),
    ],
)
def test_what_cannot_be_a_remote_is_refused_and_the_old_one_stays(first, url, words):
    (first.parent / "file").write_text("")
    with pytest.raises(BadInput, match=words):
        add_remote(url, "other")
    assert find_remote().name == "team"


def test_a_remote_of_another_kind_is_believed_and_that_is_said(first, tmp_path):
    """DVC reaches it by a scheme that we do not read ourselves."""
    config = first / ".dvc" / "config"
    config.write_text(config.read_text().replace("verify = true", "verify = true\n    version_aware = false"))
    assert find_remote().store is not None
    config.write_text("[core]\n    remote = t\n['remote \"t\"']\n    url = ssh://nobody.invalid/x\n")
    assert find_remote().store is None


def test_the_record_of_what_was_shared_is_of_these_outputs_and_this_remote(first, tmp_path):
    assert is_shared("make", find_remote())
    add_remote("../another", "another")
    assert not is_shared("make", find_remote())
    assert reproduce("make", SILENT).action == "skipped"
    assert check("make", find_remote().store, mend=False) == []
    assert json.loads((first / ".graft/shared/make.json").read_text())["remote"] == "../another"
