"""Folders of files in shards: every reader gives the same rows, messages and checks as of the files themselves."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from graft.catalog import Checks, Data
from graft.checks.check import check
from graft.errors import DataError
from graft.manifest import beside, list_files
from graft.problems import PROBLEMS
from graft.reading import inspect, read
from graft.reading import packing as packing_module
from graft.reading.packed import look_into, read_file
from graft.reading.packing import survey, worth_packing, write_shards
from tests.boxes import scenes
from tests.faces import face_rows
from tests.graft.reading.conftest import png
from tests.graft.reading.test_annotations import (
    write_exported,
    write_flat,
    write_instances,
    write_voc,
    write_voc_beside,
)
from tests.masks import write_discs
from tests.sounds import tone, wav


def write_classes(root):
    for number in range(24):
        place = root / ("test" if number % 4 == 0 else "train") / ("cat", "dog")[number // 2 % 2]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.png").write_bytes(png(10 * number))


def write_undivided(root):
    for number in range(24):
        place = root / ("cat", "dog")[number % 2] / f"{number % 3}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.png").write_bytes(png(10 * number))


def write_unlabelled(root):
    root.mkdir(parents=True)
    for number in range(12):
        (root / f"{number}.png").write_bytes(png(20 * number))
    (root / "note.txt").write_text("found in the attic")


def write_words(root):
    for number in range(16):
        place = root / ("yes", "no")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.wav").write_bytes(wav(tone(200 + 30 * number)))


def write_clips(root):
    (root / "clips").mkdir(parents=True)
    rows = [f"clips/{number}.wav,yes no,{('a', 'b')[number % 2]}" for number in range(12)]
    for number in range(12):
        (root / "clips" / f"{number}.wav").write_bytes(wav(tone(200 + 30 * number)))
    (root / "metadata.csv").write_text("\n".join(["file_name,transcript,speaker", *rows]) + "\n")


def write_masks(root):
    write_discs(root / "train", 8)
    write_discs(root / "test", 4, seed=1)
    (root / "classes.txt").write_text("ground\ndisc\n")


def of_scenes(write):
    """Return what writes scenes in one of the layouts of boxes."""

    def made(root):
        root.mkdir(parents=True)
        write(root, [*scenes(6)], [*scenes(3, 1)])

    return made


def write_people(root):
    for split, first in (("train", 0), ("test", 6)):
        for number, row in enumerate(face_rows(6, 3, seed=first, first=first)):
            place = root / split / row["identity"]
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{number}.png").write_bytes(row["image"]["bytes"])
    pairs = ["test/p06/0.png,test/p06/1.png,1", "test/p06/0.png,test/p07/3.png,0"]
    (root / "test_pairs.csv").write_text("\n".join(["file_a,file_b,same", *pairs]) + "\n")


def write_table(root):
    (root / "scans").mkdir(parents=True)
    for number in range(24):
        (root / "scans" / f"{number}.png").write_bytes(png(10 * number))
    rows = [f"scans/{number}.png,{('well', 'ill')[number % 2]}" for number in range(24)]
    (root / "rows.csv").write_text("\n".join(["scan,finding", *rows]) + "\n")


def write_texts(root):
    root.mkdir(parents=True)
    for number in range(6):
        (root / f"{number}.txt").write_text(f"chapter {number} begins\n\nand ends here\n")


KINDS = {
    "class folders in splits": (write_classes, "image-classification", {}),
    "class folders": (write_undivided, "image-classification", {"labels_per_class": 4}),
    "images without labels": (write_unlabelled, "contrastive-images", {}),
    "audio in class folders": (write_words, "audio-classification", {}),
    "clips and transcripts": (write_clips, "speech-recognition", {"group": "speaker"}),
    "images and masks": (write_masks, "semantic-segmentation", {}),
    "coco": (of_scenes(write_flat), "object-detection", {}),
    "coco by years": (of_scenes(write_instances), "object-detection", {}),
    "coco as exported": (of_scenes(write_exported), "object-detection", {}),
    "voc": (of_scenes(write_voc), "object-detection", {}),
    "voc beside its images": (of_scenes(write_voc_beside), "object-detection", {}),
    "identities and pairs": (write_people, "face-verification", {}),
    "a table of names": (write_table, "image-classification", {"columns": {"label": "finding"}}),
    "texts": (write_texts, "text-generation", {}),
}


DIGEST = "9390287aeb73e2739097da516f0b68e51c27422c14b43ede6ac7a39cc363127e"


def packed(origin, folder):
    with beside(folder) as partial:
        write_shards(survey(origin, pack=True)[0], partial)
    return folder


@pytest.fixture
def both(tmp_path, monkeypatch):
    """Return what `use` makes of a dataset at data/, as files and packed."""

    def see(write, use):
        write(tmp_path / "plain" / "data")
        (tmp_path / "packed").mkdir()
        folder = packed(tmp_path / "plain" / "data", tmp_path / "packed" / "data")
        assert any(folder.glob("*.tar"))
        found = []
        for home in ("plain", "packed"):
            monkeypatch.chdir(tmp_path / home)
            found.append(use())
        return found

    return see


@pytest.mark.parametrize("kind", KINDS)
def test_rows_labels_and_checks_are_the_same_packed(kind, both):
    write, problem, options = KINDS[kind]

    def use():
        dataset = read(Data(path="data", **options), PROBLEMS[problem])
        return dataset, check("x", "target", dataset, PROBLEMS[problem], Checks()), inspect(
            Path("data"), problem, options.get("columns"), options.get("group")
        )  # fmt: skip

    (plain, checked, seen), (shards, checked_too, seen_too) = both(write, use)
    assert plain.fingerprint == shards.fingerprint
    assert (plain.labels, plain.keys) == (shards.labels, shards.keys)
    assert {name: table.to_pylist() for name, table in plain.splits.items()} == {
        name: table.to_pylist() for name, table in shards.splits.items()
    }
    assert checked.summary == checked_too.summary
    assert checked.rows.equals(checked_too.rows)
    assert seen == seen_too


@pytest.mark.parametrize("content", [b"", b"no picture"], ids=["empty", "broken"])
def test_a_file_that_cannot_be_read_is_named_as_it_was(content, both):
    def write(root):
        write_classes(root)
        (root / "train" / "cat" / "1.png").write_bytes(content)

    def use():
        dataset = read(Data(path="data"), PROBLEMS["image-classification"])
        return check("x", "target", dataset, PROBLEMS["image-classification"], Checks()).summary

    plain, shards = both(write, use)
    assert plain == shards
    assert not plain["passed"]
    assert "train/cat/1.png" in json.dumps(plain)


def spoil_mask(root):
    write_masks(root)
    (root / "train/masks/01.png").unlink()
    (root / "test/images/02.png").unlink()


def spoil_coco(root):
    of_scenes(write_flat)(root)
    (root / "images/1.png").unlink()


def spoil_voc(root):
    of_scenes(write_voc)(root)
    (root / "Annotations/1.xml").write_text("<annotation>")
    (root / "Annotations/51.xml").unlink()


def spoil_table(root):
    write_table(root)
    (root / "scans/7.png").unlink()


def spoil_text(root):
    write_texts(root)
    (root / "3.txt").write_bytes(b"caf\xe9")


SPOILT = [
    (spoil_mask, "semantic-segmentation", {}),
    (spoil_coco, "object-detection", {}),
    (spoil_voc, "object-detection", {}),
    (spoil_table, "image-classification", {"columns": {"label": "finding"}}),
    (spoil_text, "text-generation", {}),
]


@pytest.mark.parametrize(("write", "problem", "options"), SPOILT)
def test_what_is_wrong_is_said_the_same(write, problem, options, both):
    def use():
        with pytest.raises(DataError) as caught:
            read(Data(path="data", **options), PROBLEMS[problem])
        return str(caught.value), [*caught.value.problems], caught.value.advice

    plain, shards = both(write, use)
    assert plain == shards
    assert plain[1]


def test_the_same_files_give_the_same_bytes_whenever_and_however_they_lie(tmp_path):
    names = ["a.txt", "\u00fc/b.txt", f"{'long' * 30}/{'name' * 40}.txt", "train/\U0001f431.txt"]
    for home, order in (("one", names), ("two", names[::-1])):  # another order, time and right
        for number, name in enumerate(order):
            file = tmp_path / home / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"what {name} holds")
            file.chmod(0o600 if home == "one" else 0o755)
            os.utime(file, (number, number))
    first, second = (list_files(packed(tmp_path / home, tmp_path / f"{home}-packed")) for home in ("one", "two"))
    # a digest is an address in every remote: no release of Python or of this writer may change it
    assert first == second == {"packed-00000-of-00001.tar": DIGEST}
    assert {read_file(str(tmp_path / "one-packed" / name)) for name in names} == {
        f"what {name} holds".encode() for name in names
    }


def test_every_byte_is_as_it_was_and_any_tar_gives_it_back(tmp_path):
    write_people(tmp_path / "faces")
    folder = packed(tmp_path / "faces", tmp_path / "packed")
    for file in (tmp_path / "faces").rglob("*.png"):
        inside = folder / file.relative_to(tmp_path / "faces")
        assert not inside.exists()
        assert read_file(str(inside)) == file.read_bytes()
    for shard in folder.glob("*.tar"):
        with tarfile.open(shard) as tar:
            tar.extractall(tmp_path / "again", filter="data")
    pictures = {name: digest for name, digest in list_files(tmp_path / "faces").items() if name.endswith(".png")}
    assert list_files(tmp_path / "again") == pictures
    assert (folder / "test_pairs.csv").read_bytes() == (tmp_path / "faces" / "test_pairs.csv").read_bytes()


def test_shards_are_bounded_and_what_is_larger_than_one_stays_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(packing_module, "SHARD_BYTES", 20_000)
    write_words(tmp_path / "data")
    (tmp_path / "data" / "yes" / "long.wav").write_bytes(wav(tone(300, seconds=4)))
    folder = packed(tmp_path / "data", tmp_path / "packed")
    shards = sorted(folder.glob("*.tar"))
    assert len(shards) > 2
    assert all(shard.stat().st_size <= 20_000 + tarfile.RECORDSIZE for shard in shards)
    assert (folder / "yes" / "long.wav").is_file()
    dataset = read(Data(path=str(folder)), PROBLEMS["audio-classification"])
    assert sum(table.num_rows for table in dataset.splits.values()) == 17


def test_a_shard_holds_no_more_than_one_file_in_memory_at_a_time(tmp_path):
    """Files of 64 MB in all are packed and read by a process that may have 40 MB more than it begins with."""
    (tmp_path / "data").mkdir()
    for number in range(64):
        (tmp_path / "data" / f"{number}.txt").write_bytes(bytes([number]) * 2**20)
    program = """
import resource, sys
from pathlib import Path
from graft.reading.packed import read_file
from graft.reading.packing import survey, write_shards
Path("packed").mkdir()
files, _ = survey(Path("data"))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
write_shards(files, Path("packed"))
total = sum(len(read_file(f"packed/{file.name}")) for file in files)
print(total, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    total, kilobytes = map(int, done.stdout.split())
    assert total == 64 * 2**20
    assert kilobytes < 40 * 1024


def test_every_file_that_cannot_be_packed_is_named_at_once(tmp_path):
    root = tmp_path / "data"
    write_undivided(root)
    (root / "cat" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (root / "cat" / "loop").symlink_to(root)
    os.mkfifo(root / "dog" / "pipe.png")
    (root / os.fsdecode(b"caf\xe9.png")).write_bytes(b"")
    with pytest.raises(DataError, match="4 problem") as caught:
        survey(root)
    said = "\n".join(caught.value.problems)
    assert f"'cat/gone.png': a link to {tmp_path / 'nowhere.png'}, which is not there" in said
    assert "'cat/loop': a link to a folder that it lies in" in said
    assert "'dog/pipe.png': neither a file nor a folder" in said
    assert "a name that is not UTF-8" in said


def test_names_that_are_one_on_another_system_are_refused(tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("\u00e9.png", "e\u0301.png", "e.png"):
        (tmp_path / "data" / name).write_bytes(png(1))
    (tmp_path / "data" / "gone.png").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match="3 problem"):
        survey(tmp_path / "data", pack=True)
    (tmp_path / "data" / "gone.png").unlink()
    files, packed = survey(tmp_path / "data")  # as files they may stay
    assert (len(files), packed) == (3, False)


def test_a_link_is_followed_to_the_bytes_that_it_means(tmp_path):
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "one").write_bytes(png(5))
    (tmp_path / "data" / "cat").mkdir(parents=True)
    (tmp_path / "data" / "cat" / "1.png").symlink_to(tmp_path / "blobs" / "one")
    (tmp_path / "data" / "dog").symlink_to(tmp_path / "data" / "cat")
    folder = packed(tmp_path / "data", tmp_path / "packed")
    assert read_file(str(folder / "cat" / "1.png")) == read_file(str(folder / "dog" / "1.png")) == png(5)


def test_a_folder_without_a_file_is_no_data(tmp_path):
    (tmp_path / "data" / "cat").mkdir(parents=True)
    with pytest.raises(DataError, match="no file"):
        survey(tmp_path / "data")


def member(name, content=b"x", **facts):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in facts.items():
        setattr(info, key, value)
    return info, content


def write_tar(path, *members):
    with tarfile.open(path, "w") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))


def test_a_shard_from_elsewhere_with_hostile_members_is_refused_whole(tmp_path):
    write_tar(
        tmp_path / "packed-00000-of-00002.tar",
        member("../out.png"),
        member("/etc/x.png"),
        member("a/./b.png"),
        member("link.png", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("twice.png"),
        member("deep"),
        member("deep/one.png"),
    )
    write_tar(tmp_path / "packed-00001-of-00002.tar", member("twice.png"))
    with pytest.raises(DataError, match="6 problem") as caught:
        look_into(tmp_path)
    said = "\n".join(caught.value.problems)
    for part in ("'../out.png': a path with", "'/etc/x.png': an absolute path", "'a/./b.png': a path with"):
        assert part in said
    assert "'link.png' is no file" in said
    assert "packed-00001-of-00002.tar: 'twice.png' is in packed-00000-of-00002.tar, too" in said
    assert "'deep' is a file and a folder" in said


def test_a_file_beside_the_shard_that_holds_it_is_not_passed_over(tmp_path):
    write_undivided(tmp_path / "data")
    folder = packed(tmp_path / "data", tmp_path / "packed")
    (folder / "cat" / "0").mkdir(parents=True)
    (folder / "cat" / "0" / "0.png").write_bytes(png(1))
    with pytest.raises(DataError) as caught:
        look_into(folder)
    assert [*caught.value.problems] == ["'cat/0/0.png' is in packed-00000-of-00001.tar and beside it"]


@pytest.mark.parametrize("kept", [0, 700, 5000, 10240])
def test_a_shard_that_ends_early_or_is_gone_is_named(kept, tmp_path, monkeypatch):
    monkeypatch.setattr(packing_module, "SHARD_BYTES", 20_000)
    write_undivided(tmp_path / "data")
    folder = packed(tmp_path / "data", tmp_path / "packed")
    first, second, *_ = sorted(folder.glob("*.tar"))
    first.write_bytes(first.read_bytes()[:kept])
    second.unlink()
    with pytest.raises(DataError, match="with the packed files") as caught:
        read(Data(path=str(folder)), PROBLEMS["image-classification"])
    said = "\n".join(caught.value.problems)
    assert f"{second.name}: no such file" in said
    assert first.name in said


def test_a_shard_that_is_replaced_is_seen_and_never_read_at_the_old_places(tmp_path):
    write_undivided(tmp_path / "data")
    folder = packed(tmp_path / "data", tmp_path / "packed")
    name = str(folder / "cat" / "0" / "0.png")
    before = read_file(name)
    (tmp_path / "data" / "cat" / "0" / "0.png").write_bytes(before + b"more")
    packed(tmp_path / "data", folder)
    with pytest.raises(OSError, match="has changed"):
        read_file(name)
    read(Data(path=str(folder)), PROBLEMS["image-classification"])
    assert read_file(name) == before + b"more"


def test_a_process_that_has_not_opened_the_pack_reads_its_cells(tmp_path):
    write_undivided(tmp_path / "data")
    folder = packed(tmp_path / "data", tmp_path / "packed")
    program = "import sys; from graft.reading.packed import read_file; print(len(read_file(sys.argv[1])))"
    name = str(folder / "cat" / "0" / "0.png")
    done = subprocess.run([sys.executable, "-c", program, name], capture_output=True, text=True, check=True)
    assert int(done.stdout) == len(png(0))


def test_a_packed_folder_is_only_read(tmp_path):
    write_undivided(tmp_path / "data")
    folder = look_into(packed(tmp_path / "data", tmp_path / "packed"))
    with pytest.raises(PermissionError, match="only read"):
        (folder / "cat" / "0" / "0.png").write_bytes(b"")
    with pytest.raises(FileNotFoundError):
        (folder / "cat" / "none.png").read_bytes()


def test_many_small_files_are_worth_it_and_few_or_large_ones_or_rows_are_not(tmp_path):
    def files(count, size, suffix=".png"):
        return [packing_module.Found(f"{n}{suffix}", Path(f"{n}{suffix}"), size) for n in range(count)]

    assert worth_packing(files(packing_module.MANY, 700))
    assert not worth_packing(files(packing_module.MANY - 1, 700))
    assert not worth_packing(files(packing_module.MANY, 2 * packing_module.SMALL))
    assert not worth_packing(files(5000, 700, ".json"))
    assert not worth_packing([*files(1000, 700), packing_module.Found("packed-00000-of-00001.tar", Path("x"), 9)])


def test_kill_nine_in_the_middle_leaves_no_dataset_and_the_next_try_a_whole_one(tmp_path):
    write_undivided(tmp_path / "data")
    program = """
import os, signal, tarfile
from pathlib import Path
from graft.manifest import beside
from graft.reading.packing import survey, write_shards
add, count = tarfile.TarFile.addfile, []
def addfile(self, *given):
    count.append(add(self, *given))
    if len(count) == 9:
        os.kill(os.getpid(), signal.SIGKILL)
tarfile.TarFile.addfile = addfile
with beside(Path("packed")) as partial:
    write_shards(survey(Path("data"))[0], partial)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False)
    assert done.returncode == -9
    assert not (tmp_path / "packed").exists()
    packed(tmp_path / "data", tmp_path / "packed")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "packed"]
    dataset = read(Data(path=str(tmp_path / "packed")), PROBLEMS["image-classification"])
    assert sum(table.num_rows for table in dataset.splits.values()) == 24


@pytest.mark.real
@pytest.mark.parametrize("name", ["blood_cells", "nuclei", "spoken_digits", "yes_no"])
def test_real_folders_are_the_same_packed(name, both):
    origin = Path(__file__).parents[4] / "shared" / "data" / name
    if not origin.is_dir():
        pytest.skip(f"{origin} is not there")

    def use():
        seen = inspect(Path("data"), labelled=True)
        problem = PROBLEMS[seen.problem]
        dataset = read(Data(path="data"), problem)
        checked = check("x", "target", dataset, problem, Checks())
        return seen, dataset.fingerprint, {each: table.to_pylist() for each, table in dataset.splits.items()}, checked

    plain, shards = both(lambda root: shutil.copytree(origin, root), use)
    assert plain[:3] == shards[:3]
    assert plain[3].summary == shards[3].summary
