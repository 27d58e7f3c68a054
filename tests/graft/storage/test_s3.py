"""The S3 store against two real servers: what it promises, and what it says when the other side does not hold it."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import EndpointConnectionError

from graft.errors import BadInput, StoreUnfit, Transient
from graft.registry.registry import Registry
from graft.settings import settings
from graft.storage import LocalStore, S3Store, open_store, probe
from tests.graft.storage.conftest import client, free_port, rclone


def test_a_probe_is_passed_by_a_store_that_honours_conditions(s3):
    probe(s3)
    assert s3.list() == ()


def test_a_store_that_ignores_conditions_is_refused_with_two_ways_out(tmp_path):
    with rclone(tmp_path, free_port()) as url:
        client(url).create_bucket(Bucket="team")
        with pytest.raises(StoreUnfit, match="created an object a second time") as refused:
            probe(S3Store("team", client=client(url)))
    assert "GRAFT_REGISTRY=path" in str(refused.value)
    assert "MinIO" in str(refused.value)


def test_a_large_file_goes_up_in_parts_and_comes_back_whole(s3, tmp_path):
    content = os.urandom(2**20) * 40
    (tmp_path / "in").write_bytes(content)
    s3.put("models/weights", tmp_path / "in")
    found = s3.client.head_object(Bucket=s3.bucket, Key="team/graft/models/weights")
    assert found["ETag"].strip('"').endswith("-3")  # parts
    s3.download("models/weights", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == content
    said = s3.stat("models/weights")
    assert (said.bytes, said.sha256, said.md5) == (len(content), None, None)  # those of parts tell nothing of the whole


def test_every_upload_carries_its_digest(s3):
    s3.put("a", b"content")
    s3.put_if_absent("b", b"content")
    for key in ("a", "b"):
        found = s3.client.head_object(Bucket=s3.bucket, Key=f"team/graft/{key}", ChecksumMode="ENABLED")
        assert found["ChecksumSHA256"]


def test_encryption_is_asked_for(s3):
    store = S3Store(s3.bucket, encryption="AES256", client=s3.client)
    store.put("a", b"content")
    assert s3.client.head_object(Bucket=s3.bucket, Key="a")["ServerSideEncryption"] == "AES256"


class LosesAnswers:
    """A client whose first conditional write arrives, but nobody hears of it."""

    def __init__(self, inner):
        self._inner, self.lost = inner, False

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def put_object(self, **asked):
        found = self._inner.put_object(**asked)
        if not self.lost:
            self.lost = True  # boto3 tries again by itself, and then meets what it has written
            return self._inner.put_object(**asked)
        return found


def test_a_write_whose_answer_was_lost_is_known_again(s3):
    store = S3Store(s3.bucket, client=LosesAnswers(s3.client))
    assert store.put_if_absent("events/1", b"mine")
    assert not store.put_if_absent("events/1", b"mine")


def test_of_many_threads_exactly_one_creates_and_all_read_the_same(s3):
    with ThreadPoolExecutor(8) as pool:
        won = [*pool.map(lambda writer: s3.put_if_absent("k", str(writer).encode()), range(16))]
    assert won.count(True) == 1
    assert s3.get("k") == str(won.index(True)).encode()


def test_keys_of_others_are_not_listed(s3):
    s3.client.put_object(Bucket=s3.bucket, Key="elsewhere/x", Body=b"")
    s3.client.put_object(Bucket=s3.bucket, Key="team/graft-2/x", Body=b"")
    s3.client.put_object(Bucket=s3.bucket, Key="team/graft/.partial/x", Body=b"")
    s3.put("mine", b"")
    assert s3.list() == ("mine",)


def test_more_keys_than_a_page_are_listed(s3):
    with ThreadPoolExecutor(8) as pool:
        [*pool.map(lambda number: s3.put(f"events/{number:05}", b""), range(1005))]
    assert len(s3.list("events")) == 1005
    assert s3.list("events", after="events/01002") == ("events/01003", "events/01004")


def test_wrong_credentials_are_said_and_none_of_them_shown(tmp_path):
    with rclone(tmp_path, free_port()) as url:
        client(url).create_bucket(Bucket="team")
        store = S3Store("team", client=client(url, secret="not-the-secret"))
        with pytest.raises(BadInput, match="refused the credentials") as refused:
            store.put("a", b"content")
    assert "not-the-secret" not in str(refused.value)


def test_a_missing_bucket_is_named(s3):
    with pytest.raises(BadInput, match="there is no bucket 'nobodys'"):
        S3Store("nobodys", client=s3.client).put("a", b"")


def test_a_server_that_is_gone_is_worth_another_try(tmp_path):
    store = S3Store("team", client=client(f"http://127.0.0.1:{free_port()}"))
    with pytest.raises(Transient, match="try again") as gone:
        store.list()
    assert isinstance(gone.value.__cause__, EndpointConnectionError)


def test_what_was_written_survives_a_kill_of_the_server(tmp_path):
    port = free_port()
    with rclone(tmp_path, port) as url:
        client(url).create_bucket(Bucket="team")
        S3Store("team", client=client(url)).put("models/m/weights", b"content")
    with rclone(tmp_path, port) as url:
        store = S3Store("team", client=client(url))
        assert store.get("models/m/weights") == b"content"
        assert store.list() == ("models/m/weights",)


def test_a_location_says_what_kind_of_store_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAFT_S3_ENCRYPTION", "AES256")
    settings.cache_clear()
    assert isinstance(open_store(str(tmp_path)), LocalStore)
    assert str(open_store("s3://team/graft/registry")) == "s3://team/graft/registry"
    assert str(open_store("s3://team")) == "s3://team"
    settings.cache_clear()


@pytest.mark.parametrize("location", ["gs://team/x", "s3:///x", "s3://key:secret@team/x", "s3://team/x?region=y"])
def test_other_locations_are_refused_without_showing_secrets(location):
    with pytest.raises(BadInput, match="s3://BUCKET/PREFIX") as refused:
        open_store(location)
    assert "secret" not in str(refused.value)


def test_an_empty_registry_in_a_bucket_has_no_models(s3, tmp_path):
    assert Registry(s3, tmp_path).models() == ()


@pytest.mark.parametrize(
    ("name", "value", "bucket"),
    [
        ("AWS_ENDPOINT_URL_S3", "nonsense", "b"),
        ("AWS_PROFILE", "nobody", "b"),
        ("AWS_DEFAULT_REGION", "x y", "b"),
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9", "b a d"),
    ],
)
def test_a_setting_that_boto3_cannot_use_is_bad_input_and_not_tried_again(monkeypatch, name, value, bucket):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv(name, value)
    with pytest.raises(BadInput, match=r"the store cannot be asked: .*\nSet right what is wrong"):
        S3Store(bucket).list("events")
