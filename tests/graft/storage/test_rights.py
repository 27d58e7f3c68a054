"""The least rights that docs/storage.md names are enough for everything that a store does, and for no more."""

import json
import re
import sys
from pathlib import Path

import boto3
import pytest

from graft.errors import BadInput
from graft.storage import S3Store, probe
from graft.storage.s3 import PART
from tests.graft.storage.conftest import client, free_port, serving

DOCS = Path(__file__).parents[3] / "docs/storage.md"
BEFORE = 4  # calls below that make bucket, user, policy and key; from then on nothing is allowed that no policy allows


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Return how a user of the documented policy asks an S3 that enforces it."""
    url = f"http://127.0.0.1:{free_port()}"
    environment = f"import os; os.environ['INITIAL_NO_AUTH_ACTION_COUNT'] = '{BEFORE}'"
    start = f"{environment}; import runpy; runpy.run_module('tests.graft.storage.moto_server', run_name='__main__')"
    policy = re.search(r"## Rights in S3.*?```json\n(.*?)```", DOCS.read_text(), re.DOTALL).group(1)
    with serving([sys.executable, "-c", start, url.rsplit(":", 1)[1]], f"{url}/moto-api/"):
        client(url).create_bucket(Bucket="team")
        iam = boto3.client(
            "iam",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="root",
            aws_secret_access_key="root-secret",
        )
        iam.create_user(UserName="graft")
        iam.put_user_policy(UserName="graft", PolicyName="least", PolicyDocument=json.dumps(json.loads(policy)))
        made = iam.create_access_key(UserName="graft")["AccessKey"]
        yield url, made["AccessKeyId"], made["SecretAccessKey"]


@pytest.fixture
def allowed(keys):
    return client(*keys)


def test_the_server_enforces_what_no_policy_allows(keys, allowed):
    with pytest.raises(BadInput, match="refused"):
        S3Store("team", "registry", client=client(keys[0], "nobody", "none")).put("a", b"a")
    with pytest.raises(Exception, match="AccessDenied"):
        allowed.create_bucket(Bucket="other")


def test_a_registry_is_probed_written_and_read(allowed):
    store = S3Store("team", "registry", client=allowed)
    probe(store)
    assert store.put_if_absent("models/m/log/1.json", b"{}")
    assert not store.put_if_absent("models/m/log/1.json", b"{}")
    assert (store.get("models/m/log/1.json"), store.stat("models/m/log/1.json").bytes) == (b"{}", 2)
    assert [*store.list("models/m")] == ["models/m/log/1.json"]
    with pytest.raises(FileNotFoundError):
        store.get("models/n/log/1.json")


def test_large_files_of_a_package_go_up_and_come_down(allowed, tmp_path):
    store, large = S3Store("team", "registry", client=allowed), tmp_path / "large"
    large.write_bytes(bytes(2 * PART + 1))
    store.put("models/m/large", large)
    store.download("models/m/large", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == large.read_bytes()


def test_states_are_removed_and_models_cannot_be(allowed):
    states, registry = S3Store("team", "states", client=allowed), S3Store("team", "registry", client=allowed)
    for store in (states, registry):
        store.put("a/b", b"b")
    states.delete("a/b")
    assert [*states.list("a")] == []
    with pytest.raises(BadInput):
        registry.delete("a/b")
    assert registry.get("a/b") == b"b"
