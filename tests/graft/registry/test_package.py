"""A package is believed only after a look at every file."""

import json
import os

import pyarrow as pa
import pytest

from graft.errors import RegistryError
from graft.manifest import files_digest, write_manifest
from graft.registry.package import check_golden, load, open_package


@pytest.fixture
def folder(make_package):
    return make_package("package", right=[True] * 4)


def change(folder, name, **values):
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_whole_package_opens_and_answers_as_recorded(folder):
    package = open_package(folder)
    assert package.facts["target"] == "words"
    assert check_golden(package) == 5
    shares = load(package).probabilities(pa.table({"text": ["the cat", "the oak"]}))
    assert shares.shape == (2, 2)
    assert shares.sum(axis=1) == pytest.approx([1, 1])


def test_the_digest_is_of_names_and_contents_and_of_nothing_else(folder):
    before = open_package(folder).digest
    write_manifest(folder, remark="written again")
    assert open_package(folder).digest == before
    change(folder, "graft.json", temperature=2.0)
    write_manifest(folder)
    assert open_package(folder).digest != before
    assert files_digest({"a": "1", "b": "2"}) == files_digest({"b": "2", "a": "1"})


def test_another_package_than_the_registered_one_is_refused(folder):
    with pytest.raises(RegistryError, match="the registry's events say feed"):
        open_package(folder, digest="feed" * 16)


def test_every_damaged_file_is_named_at_once(folder):
    with (folder / "model.safetensors").open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b"\x7f")
    (folder / "README.md").write_text("another card")
    (folder / "golden.json").unlink()
    with pytest.raises(RegistryError) as refusal:
        open_package(folder)
    for name in ("model.safetensors: sha256", "README.md: sha256", "golden.json: missing"):
        assert name in str(refusal.value)


def test_files_beside_the_manifest_links_and_other_kinds_are_refused(folder, tmp_path):
    (folder / "extra.json").write_text("{}")
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    (tmp_path / "secret").write_text("secret")
    (folder / "notes.md").symlink_to(tmp_path / "secret")
    with pytest.raises(RegistryError) as refusal:
        open_package(folder)
    for fault in ("extra.json: not in the manifest", "pytorch_model.bin: not in", "notes.md: is a link"):
        assert fault in str(refusal.value)
    (folder / "notes.md").unlink()
    write_manifest(folder)
    with pytest.raises(RegistryError, match=r"pytorch_model\.bin: a package holds \.safetensors"):
        open_package(folder)


@pytest.mark.parametrize("name", ["../outside.json", "/etc/passwd.json", "a/../../b.json", ".hidden.json"])
def test_names_that_leave_the_folder_are_refused_unread(folder, name):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RegistryError, match="leaves the package's folder"):
        open_package(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
@pytest.mark.parametrize("place", ["top", "below"])
def test_a_configuration_that_asks_for_remote_code_is_refused(folder, name, place):
    wish = {"auto_map": {"AutoModel": "modeling.Evil"}}
    change(folder, name, **(wish if place == "top" else {"text_config": wish}))
    write_manifest(folder)
    with pytest.raises(RegistryError, match=rf"{name}: asks for remote code"):
        open_package(folder)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"files": 3}'])
def test_a_manifest_that_is_none_is_refused(folder, content):
    (folder / "manifest.json").write_text(content)
    with pytest.raises(RegistryError, match=r"package|lists no files"):
        open_package(folder)


def test_a_folder_without_a_manifest_is_no_package(tmp_path):
    with pytest.raises(RegistryError, match="not a model package"):
        open_package(tmp_path)


def test_missing_facts_are_named(folder):
    (folder / "graft.json").write_text('{"target": "words"}')
    write_manifest(folder)
    with pytest.raises(RegistryError, match=r"no 'labels'(.|\n)*no 'temperature'"):
        open_package(folder)


def test_golden_samples_answered_otherwise_are_named(folder):
    samples = json.loads((folder / "golden.json").read_text())
    samples[1]["probabilities"] = samples[1]["probabilities"][::-1]
    samples[2]["probabilities"][0] += 0.5e-4  # within the tolerance
    (folder / "golden.json").write_text(json.dumps(samples))
    write_manifest(folder)
    with pytest.raises(RegistryError, match="1 of 5 golden samples") as refusal:
        check_golden(open_package(folder))
    assert "golden sample 1: expected [" in str(refusal.value)


def test_a_package_without_golden_samples_cannot_be_verified(folder):
    (folder / "golden.json").write_text("[]")
    write_manifest(folder)
    with pytest.raises(RegistryError, match="holds no sample"):
        check_golden(open_package(folder))


def test_weights_of_another_network_do_not_load(folder):
    change(folder, "config.json", hidden_size=16, intermediate_size=16)
    write_manifest(folder)
    with pytest.raises(RegistryError, match="does not load"):
        load(open_package(folder))


def test_a_problem_that_this_graft_does_not_know_is_said(folder):
    change(folder, "graft.json", problem="text-clasification")
    write_manifest(folder)
    with pytest.raises(RegistryError, match="did you mean 'text-classification'"):
        load(open_package(folder))
