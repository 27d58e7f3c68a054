"""What happens on a disk that is really full, one scenario a process: `python -m tests.faults.disk NAME FOLDER`.

FOLDER is a file system of some megabytes, in a mount namespace of this process; what needs no small disk lies in the
working directory. Where the kernel gives nobody one, `ulimit -f` takes its place: no file may grow beyond a kilobyte.
"""

import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from graft.catalog import Gates
from graft.errors import DiskFull, Transient
from graft.manifest import sha256, write_manifest
from graft.registry import Candidate, Registry, publish
from graft.storage import LocalStore, S3Store
from graft.training.offsite import Offsite
from tasks.pipeline import reproduce
from tasks.remote import add_remote, find_remote
from tasks.sharing import is_shared
from tests.graft.registry.packages import BERT, METRICS, TEXTS, build_package, save_network
from tests.graft.storage.conftest import client, free_port, rclone

MEGABYTES = 24
LIMITED = "GRAFT_TEST_LIMITED"
KILOBYTE = 1024


def command_for(name, folder):
    """Return the command that runs a scenario on a small disk, and what its environment needs."""
    program = [sys.executable, "-m", "tests.faults.disk", name, str(folder)]
    mount = f'mount -t tmpfs -o size={MEGABYTES}m none "$0" && exec "$@"'
    apart = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    with contextlib.suppress(FileNotFoundError):
        if subprocess.run([*apart, mount, folder, "true"], capture_output=True, check=False).returncode == 0:
            return [*apart, mount, str(folder), *program], {}
    return program, {LIMITED: "1"}


def fill(folder, process=None):
    """Leave no room: for us and what we start from now on, and for a process that runs already."""
    if LIMITED in os.environ:
        resource.prlimit(0 if process is None else process.pid, resource.RLIMIT_FSIZE, (KILOBYTE, hard()))
        return
    with (folder / "filler").open("ab", buffering=0) as filler:
        for size in (2**16, 2**9, 1):
            with contextlib.suppress(OSError):
                while True:
                    filler.write(b"x" * size)


def make_room(folder):
    """Take back what `fill` did."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard(), hard()))
    (folder / "filler").unlink(missing_ok=True)


def hard():
    return resource.getrlimit(resource.RLIMIT_FSIZE)[1]


def partial(folder):
    return [path for path in folder.rglob("*") if ".partial" in path.name and path.is_file()]


def step(folder, *words):
    environment = os.environ | {"GRAFT_CHECKPOINT_SECONDS": "0", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "graft.steps", *words]
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)


def a_training_that_finds_no_room(folder):
    """It stops with one message, and with room it goes on from its last state to the weights of an unbroken one."""
    whole = Path("project").absolute()
    trained = shutil.copytree(whole, folder / "project")
    unbroken = step(whole, "pretrain", "s")
    assert unbroken.wait() == 0
    running = step(trained, "pretrain", "s")
    progress = trained / ".graft" / "progress" / "pretrain@s.json"
    deadline = time.monotonic() + 100
    while not progress.exists() or json.loads(progress.read_text())["done"] < 5:
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    fill(folder, running)
    _, said = running.communicate()
    assert running.returncode == DiskFull.exit_code, said
    assert "the disk is full (" in said
    assert "MB free there" in said
    assert "Make room" in said
    assert "Traceback" not in said
    assert not partial(trained)
    assert not (trained / "checkpoints" / "s" / "manifest.json").exists()
    make_room(folder)
    again = step(trained, "pretrain", "s")
    _, said = again.communicate()
    assert again.returncode == 0, said
    assert "going on from step" in said
    weights = [sha256(place / "checkpoints" / "s" / "model.safetensors") for place in (trained, whole)]
    assert weights[0] == weights[1]


def a_step_that_cannot_say_how_it_ended(folder):
    """The exit code tells, without a trace, when not even the outcome can be written."""
    shutil.copytree("project", folder / "project")
    fill(folder)
    begun = step(folder / "project", "check-source", "s")
    _, said = begun.communicate()
    assert begun.returncode == DiskFull.exit_code, said
    assert "the disk is full" in said
    assert "Traceback" not in said


def a_registry_that_is_full(folder):
    """Neither a package nor an event is half there; with room the same publication makes version 1."""
    store = LocalStore(folder / "registry")
    registry = Registry(store, Path("cache"))
    network = save_network(Path("network"), "text-classification", BERT, pa.table({"text": TEXTS}))
    package = build_package(Path("package"), network, [True] * 20)
    registry.claim("words", "before")
    before = store.list()
    fill(folder)
    with pytest.raises(DiskFull, match=r"registry/.*the disk is full \(.* MB free there"):
        publish(registry, Candidate("words", package, METRICS, Gates(), list))
    if LIMITED not in os.environ:  # an event is smaller than a kilobyte
        with pytest.raises(DiskFull, match=r"registry/events/words/.*the disk is full"):
            registry.claim("words", "while it is full")
    assert not partial(folder)
    assert not list((folder / "registry" / ".partial").iterdir())
    assert [key for key in store.list("events") if key not in before] == []
    make_room(folder)
    publish(registry, Candidate("words", package, METRICS, Gates(), list))
    assert [version.name for version in registry.state("words").versions] == ["words@1"]
    registry.verify("words@1")


def a_remote_that_is_full(folder):
    """The push names the object that had no room; with room the results go up and nothing runs again."""
    os.chdir("checkout")
    reproduce("make", print)
    (folder / "remote").mkdir()
    add_remote(str(folder / "remote"), "team")
    fill(folder)
    with pytest.raises(DiskFull, match=r"remote/files/md5/.*the disk is full"):
        reproduce("make", print)
    assert not is_shared("make", find_remote())
    assert not partial(folder)
    make_room(folder)
    assert reproduce("make", print).action == "skipped"
    assert is_shared("make", find_remote())
    assert Path("attempts.txt").read_text().split() == ["done"]


def a_cache_that_is_full(folder):
    """What DVC says of a full disk is one message of ours; with room the same command makes it."""
    os.chdir("checkout")
    Path(".dvc/config.local").write_text(f"[cache]\n    dir = {folder / 'cache'}\n")
    (folder / "cache").mkdir()
    fill(folder)
    with pytest.raises(DiskFull, match=r"(?s)make: the disk is full.* MB are free at .*/cache.*Make room"):
        reproduce("make", print)
    make_room(folder)
    assert reproduce("make", print).action == "ran"


def a_store_of_the_team_that_is_full(folder):
    """rclone's says only that it failed: whose log tells. A state that finds no room there stops no training."""
    (folder / "served").mkdir()
    state = Path("work/t/step-00000001")
    with rclone(folder / "served", free_port()) as url:
        bucket = client(url)
        bucket.create_bucket(Bucket="team")
        store = S3Store("team", client=bucket)
        offsite = Offsite(store, Path("work"))
        state.mkdir(parents=True)
        (state / "state.safetensors").write_bytes(b"x" * 2**20)
        write_manifest(state)
        if LIMITED not in os.environ:  # the server is a process of its own
            fill(folder)
            with pytest.raises(Transient, match=r"s3://team/large: .*the store's own log says why: is its disk full\?"):
                store.put("large", b"x" * 2**20)
            offsite.offer(state)
            offsite.flush(1)
            assert not [key for key in store.list() if key.endswith("manifest.json")]
            make_room(folder)
        offsite.offer(state)
        assert offsite.flush(120)
        assert [key for key in store.list() if key.endswith("manifest.json")]


SCENARIOS = {
    each.__name__: each
    for each in (
        a_training_that_finds_no_room,
        a_step_that_cannot_say_how_it_ended,
        a_registry_that_is_full,
        a_remote_that_is_full,
        a_cache_that_is_full,
        a_store_of_the_team_that_is_full,
    )
}

if __name__ == "__main__":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    SCENARIOS[sys.argv[1]](Path(sys.argv[2]))
