import json

import pytest
from safetensors import SafetensorError

from graft.errors import CheckpointError, DiskFull
from graft.manifest import files_digest, is_disk_full, list_files, verify_manifest, whole_folder, write_whole


@pytest.fixture
def folder(tmp_path):
    with whole_folder(tmp_path / "out", step="test") as partial:
        (partial / "deep").mkdir()
        (partial / "deep" / "a.txt").write_text("a")
    return tmp_path / "out"


def test_a_folder_appears_whole_with_its_facts(folder):
    manifest = verify_manifest(folder)
    assert list(manifest["files"]) == ["deep/a.txt"]
    assert manifest["step"] == "test"
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


def test_a_failure_leaves_the_old_folder_and_nothing_beside_it(folder):
    with pytest.raises(FileNotFoundError), whole_folder(folder) as partial:  # noqa: PT012
        (partial / "b.txt").write_text("b")
        (partial / "nowhere" / "c.txt").write_text("c")
    assert verify_manifest(folder)["files"].keys() == {"deep/a.txt"}
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


def test_everything_that_differs_is_named(folder):
    (folder / "deep" / "a.txt").write_text("b")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["gone.txt"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError) as found:
        verify_manifest(folder)
    assert len(found.value.problems) == 2
    assert "deep/a.txt: sha256 is" in found.value.problems[0]
    assert "gone.txt: missing" in found.value.problems[1]


@pytest.mark.parametrize("content", ["", "{", "\udcff"])
def test_an_unreadable_manifest_is_named(folder, content):
    (folder / "manifest.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(CheckpointError, match=r"manifest\.json"):
        verify_manifest(folder)


def test_a_folder_without_a_manifest_was_never_finished(tmp_path):
    with pytest.raises(CheckpointError, match="no complete output here"):
        verify_manifest(tmp_path)


def test_a_full_disk_is_said_and_nothing_is_kept(tmp_path):
    with pytest.raises(DiskFull, match="out: the disk is full"), whole_folder(tmp_path / "out") as partial:  # noqa: PT012
        (partial / "a").symlink_to("/dev/full")
        (partial / "a").write_text("a")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_below_safetensors_is_told_by_its_words():
    said = "Error while serializing: I/O error: No space left on device (os error 28)"
    assert is_disk_full(SafetensorError(said))
    assert not is_disk_full(SafetensorError("Error while serializing: I/O error: Permission denied (os error 13)"))


def test_a_file_is_replaced_whole(tmp_path):
    write_whole(tmp_path / "deep" / "a", "old")
    write_whole(tmp_path / "deep" / "a", b"new")
    assert (tmp_path / "deep" / "a").read_text() == "new"
    assert len(list((tmp_path / "deep").iterdir())) == 1


def test_the_digest_of_files_does_not_depend_on_their_order(folder):
    files = list_files(folder) | {"b": "2"}
    assert files_digest(files) == files_digest(dict(reversed(files.items())))
    assert files_digest(files) != files_digest(list_files(folder))
