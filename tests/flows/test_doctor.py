"""`graft doctor`: what is well is said, what is not says what to do, and nothing is left behind."""

import json
import shutil
from datetime import timedelta

import pytest

from flows import probes
from flows.commands.doctor import doctor, said
from flows.probes import Finding, examine
from graft.errors import BadInput, GraftError
from graft.settings import settings
from graft.storage import S3Store
from tasks.remote import add_remote
from tests.graft.storage.conftest import KEY, SECRET, client, free_port, moto, rclone  # noqa: F401 -- a fixture

pytestmark = pytest.mark.usefixtures("quiet", "checkout")


@pytest.fixture
def quiet(monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)


@pytest.fixture
def keys(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def set_to(monkeypatch, **values):
    for name, value in values.items():
        monkeypatch.setenv(f"GRAFT_{name.upper()}", value)
    settings.cache_clear()


def levels(*names):
    return [finding.level for finding in examine(tuple(getattr(probes, name) for name in names))]


def only(name):
    (finding,) = examine((getattr(probes, name),))
    return finding


def test_a_sound_checkout_has_no_fault_and_nothing_is_left_in_it(checkout, capsys):
    before = sorted(path for path in checkout.rglob("*") if ".git" not in path.parts)
    doctor(as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert {each["about"] for each in found} >= {"catalogue", "devices", "disk", "registry", "dvc remote", "prefect"}
    assert [each["about"] for each in found if each["level"] == "warning" and each["about"] != "disk"] == [
        "environment",  # this checkout has no lock
        "dvc remote",
    ]
    assert sorted(path for path in checkout.rglob("*") if ".git" not in path.parts) == before


def test_a_fault_ends_with_code_1_names_what_to_do_and_stops_no_other_probe(checkout, monkeypatch, capsys):
    set_to(monkeypatch, device="cuda", registry="gs://nowhere/x")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(GraftError, match=r"2 fault\(s\): devices, registry") as raised:
        doctor(as_json=False)
    assert raised.value.exit_code == 1
    lines = capsys.readouterr().out
    assert "torch finds no GPU" in lines
    assert "s3://BUCKET/PREFIX" in lines
    assert "ok       disk" in lines


def test_another_version_than_the_lock_s_and_a_missing_package_are_warnings(checkout):
    (checkout / "requirements.lock").write_text(
        "# written\npydantic==0.0.1 \\\n    --hash=sha256:00\n    # via graft\nno-such-package==1.0\n"
        "pywin32==311 ; sys_platform == 'win32'\n"
    )
    found = only("environment")
    assert found.level == "warning"
    assert "the lock says 0.0.1" in found.what
    assert "no-such-package is missing" in found.what
    assert "pywin32" not in found.what


@pytest.mark.parametrize(("free", "level"), [(5 * 10**8, "fault"), (5 * 10**9, "warning"), (5 * 10**10, "ok")])
def test_little_room_is_said(monkeypatch, free, level):
    usage = shutil.disk_usage(".")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=free))
    found = only("disk")
    assert found.level == level
    assert (found.advice == "") == (level == "ok")


def test_a_store_that_cannot_hold_a_registry_is_a_fault(tmp_path, monkeypatch, keys):
    (tmp_path / "served").mkdir()
    with rclone(tmp_path / "served", free_port()) as url:
        client(url).create_bucket(Bucket="team")
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        set_to(monkeypatch, registry="s3://team/graft")
        assert levels("registry")[-1] == "fault"
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
        found = only("registry")
    assert found.level == "fault"
    assert "refused the credentials" in found.what
    assert "not-the-secret" not in found.what + found.advice


def test_a_bucket_that_can_hold_a_registry_is_well_and_its_clock_is_compared(monkeypatch, keys, request):
    url = request.getfixturevalue("moto")
    client(url).create_bucket(Bucket="doctor")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
    set_to(monkeypatch, registry="s3://doctor/graft", checkpoints="s3://doctor/states")
    assert levels("registry", "checkpoints") == ["ok"] * 3
    assert client(url).list_objects_v2(Bucket="doctor").get("KeyCount") == 0
    set_to(monkeypatch, registry="s3://nobodys/graft")
    assert "no bucket 'nobodys'" in only("registry").what


@pytest.mark.parametrize(("seconds", "level"), [(5, "ok"), (-120, "warning"), (4000, "fault")])
def test_a_clock_that_is_off_is_said_with_its_sign(monkeypatch, request, seconds, level):
    url = request.getfixturevalue("moto")
    client(url).create_bucket(Bucket="clock")
    store = S3Store("clock", client=client(url))
    real = store.now()
    monkeypatch.setattr(store, "now", lambda: real - timedelta(seconds=seconds))
    found = probes.clock("registry", store)
    assert found.level == level
    if level != "ok":
        assert ("ahead of" in found.what) == (seconds > 0)


def test_a_remote_that_does_not_verify_or_is_gone_is_said(checkout, tmp_path):
    add_remote("../remote", "team")
    assert levels("dvc_remote") == ["ok"]
    config = checkout / ".dvc" / "config"
    config.write_text(config.read_text().replace("verify = true", "verify = false"))
    unverified, well = examine((probes.dvc_remote,))
    assert (unverified.level, well.level) == ("warning", "ok")
    assert "dvc remote modify team verify true" in unverified.advice
    shutil.rmtree(tmp_path / "remote")
    assert levels("dvc_remote") == ["warning", "fault"]


def test_a_server_that_is_named_and_does_not_answer_is_a_fault(monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{free_port()}/api")
    assert "does not answer" in only("prefect_server").what


def test_a_server_that_answers_is_asked_for_its_version(server):
    from prefect.settings import PREFECT_API_URL

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_API_URL", PREFECT_API_URL.value())
        found = only("prefect_server")
    assert (found.level, "version" in found.what) == ("ok", True)


def test_a_broken_probe_is_a_fault_of_its_own():
    def broken():
        raise BadInput("something is wrong", ["this", "that"], "Mend it.")
        yield

    assert examine((broken,)) == [Finding("broken", "fault", "something is wrong", "- this - that Mend it.")]


def test_what_to_do_stands_below_what_was_found():
    assert said(Finding("disk", "fault", "full", "Make room."), coloured=False).splitlines() == [
        "fault    disk         full",
        "                      Make room.",
    ]
