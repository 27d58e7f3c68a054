"""One contract for every store."""

import hashlib
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graft.errors import BadInput, DiskFull, StoreUnfit
from graft.storage import LocalStore, MemoryStore, probe


@pytest.fixture(params=["local", "memory", "s3"])
def store(request, tmp_path):
    if request.param == "s3":
        return request.getfixturevalue("s3")
    return LocalStore(tmp_path / "store") if request.param == "local" else MemoryStore()


def test_a_file_in_the_place_of_the_folder_is_said_and_not_taken_for_an_empty_store(tmp_path):
    (tmp_path / "store").touch()
    with pytest.raises(BadInput, match="store: a file, expected a folder"):
        LocalStore(tmp_path / "store").list("events")


def test_what_was_put_is_got_and_replaced(store):
    store.put("a/b.json", b"one")
    store.put("a/b.json", b"two")
    assert store.get("a/b.json") == b"two"
    assert store.stat("a/b.json").bytes == 3


def test_what_a_store_says_of_a_digest_is_so(store):
    store.put("a", b"content")
    found = store.stat("a")
    assert found.sha256 in (None, hashlib.sha256(b"content").hexdigest())
    assert found.md5 in (None, hashlib.md5(b"content").hexdigest())
    assert (found.sha256 is None) == isinstance(store, LocalStore)  # only reading a file would tell


def test_files_stream_in_and_out(store, tmp_path):
    content = os.urandom(3_000_000)
    (tmp_path / "in").write_bytes(content)
    store.put("weights", tmp_path / "in")
    assert b"".join(store.chunks("weights")) == content
    assert store.put_if_absent("weights-2", tmp_path / "in")
    store.download("weights", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == content == store.get("weights-2")


def test_a_missing_object_is_said_to_be_missing(store, tmp_path):
    assert store.stat("a") is None
    with pytest.raises(FileNotFoundError):
        store.get("a")
    with pytest.raises(FileNotFoundError):
        next(store.chunks("a"))
    with pytest.raises(FileNotFoundError):
        store.download("a", tmp_path / "out")
    store.delete("a")


def test_a_taken_key_keeps_its_first_content(store):
    assert store.put_if_absent("k", b"same")
    assert not store.put_if_absent("k", b"same")
    assert not store.put_if_absent("k", b"other")
    assert store.get("k") == b"same"
    store.delete("k")
    assert store.put_if_absent("k", b"other")


def test_listing_keeps_to_its_folder_and_is_in_order(store):
    for key in ("events/digits/2", "events/digits/1", "events/digits-2/1", "models/digits/x/y"):
        store.put(key, b"")
    assert store.list("events/digits") == ("events/digits/1", "events/digits/2")
    assert store.list("nothing") == ()
    assert len(store.list()) == 4


def test_listing_after_a_key_gives_what_follows_it_there_or_not(store):
    for key in ("events/a", "events/b/1", "events/b/2", "events/c", "models/a"):
        store.put(key, b"")
    assert store.list("events", after="events/b/1") == ("events/b/2", "events/c")
    assert store.list("events/b", after="events/b/0") == ("events/b/1", "events/b/2")
    assert store.list("", after="events/c") == ("models/a",)
    assert store.list("events", after="events/c") == ()


@pytest.mark.parametrize(
    "key", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", ".partial/x", "a\\..\\b", "a\0b", "a\nb", "."]
)
def test_keys_that_could_leave_the_store_are_refused(store, key):
    for action in (
        store.get,
        store.delete,
        store.stat,
        lambda key: store.put(key, b""),
        lambda key: store.list(key or "/"),
    ):
        with pytest.raises(BadInput, match="cannot be a key"):
            action(key)


def test_of_many_threads_exactly_one_creates(store):
    with ThreadPoolExecutor(8) as pool:
        for round in range(20):
            claims = [(f"k/{round}", str(writer).encode()) for writer in range(8)]
            won = list(pool.map(lambda claim: store.put_if_absent(*claim), claims))
            assert won.count(True) == 1
            assert store.get(f"k/{round}") == str(won.index(True)).encode()


def _claim_all(root, writer):
    store = LocalStore(root)
    return [store.put_if_absent(f"k/{number}", f"{writer}".encode() * 1000) for number in range(40)]


def test_of_many_processes_exactly_one_creates(tmp_path):
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as pool:
        won = list(pool.map(_claim_all, [tmp_path] * 4, range(4)))
    store = LocalStore(tmp_path)
    for number in range(40):
        winners = [writer for writer in range(4) if won[writer][number]]
        assert len(winners) == 1
        assert store.get(f"k/{number}") == str(winners[0]).encode() * 1000


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(["put", "create", "delete"]), st.sampled_from("abc"), st.binary(max_size=4)),
        max_size=12,
    )
)
def test_a_folder_and_the_fake_agree_on_any_sequence(tmp_path_factory, actions):
    stores = [LocalStore(tmp_path_factory.mktemp("store")), MemoryStore()]
    for action, key, content in actions:
        if action == "put":
            for store in stores:
                store.put(key, content)
        elif action == "create":
            assert len({store.put_if_absent(key, content) for store in stores}) == 1
        else:
            for store in stores:
                store.delete(key)
    local, memory = ({key: store.get(key) for key in store.list()} for store in stores)
    assert local == memory


def test_half_written_objects_are_neither_listed_nor_left(tmp_path):
    store = LocalStore(tmp_path / "store")
    with pytest.raises(FileNotFoundError):
        store.put("a/b", tmp_path / "no such file")
    assert store.list() == ()
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    (tmp_path / "store" / ".partial" / "killed-in-the-middle").write_bytes(b"ha")
    assert store.list() == ()


def test_reading_an_empty_place_makes_nothing(tmp_path):
    assert LocalStore(tmp_path / "store").list("events") == ()
    assert not (tmp_path / "store").exists()


def test_a_link_out_of_the_folder_is_neither_followed_nor_listed(tmp_path):
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "link").symlink_to(tmp_path / "secret")
    store = LocalStore(tmp_path / "store")
    assert store.list() == ()
    with pytest.raises(BadInput, match="link that leaves"):
        store.get("link")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_said_plainly(tmp_path):
    LocalStore(tmp_path).put("a", b"content")
    with pytest.raises(DiskFull, match="disk is full"):
        LocalStore(tmp_path).download("a", Path("/dev/full"))


def test_the_probe_passes_fit_stores_and_leaves_nothing(store):
    probe(store)
    assert store.list() == ()


class Careless(MemoryStore):
    """What `rclone serve s3` does: conditional headers are ignored."""

    def put_if_absent(self, key, content):
        self.put(key, content)
        return True


def test_the_probe_refuses_a_store_that_ignores_the_condition():
    store = Careless()
    with pytest.raises(StoreUnfit, match="second time") as refusal:
        probe(store)
    assert "replaced the first one's content" in str(refusal.value)
    assert "GRAFT_REGISTRY" in str(refusal.value)
    assert store.list() == ()
