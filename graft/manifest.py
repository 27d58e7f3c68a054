"""Output folders that are whole or absent: written beside, listed by sha256, renamed into place."""

import errno
import hashlib
import json
import os
import platform
import resource
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from graft.errors import BadInput, CheckpointError, DiskFull

MANIFEST = "manifest.json"
VERSIONED = ("graft", "torch", "transformers", "numpy", "pyarrow", "pillow", "great-expectations")


def sha256(path: Path) -> str:
    """Return the hex digest of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that decide a result."""
    found = {"python": platform.python_version()}
    for name in VERSIONED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def list_files(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file of a folder but its manifest, by relative name."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path != folder / MANIFEST)
    return {path.relative_to(folder).as_posix(): sha256(path) for path in paths}


def write_manifest(folder: Path, **facts: Any) -> None:
    """Write `manifest.json`, the last file of a folder: digest of every other file, versions, `facts`."""
    content = {
        "files": list_files(folder),
        "versions": versions(),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    (folder / MANIFEST).write_text(json.dumps(content | facts, indent=2, sort_keys=True) + "\n")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a folder; raises CheckpointError when there is none."""
    try:
        return dict(json.loads((folder / MANIFEST).read_text()))
    except (FileNotFoundError, NotADirectoryError):
        raise CheckpointError(
            f"{folder}: no complete output here ({MANIFEST} is missing)",
            advice="Run the stage that makes it again; an output without its manifest was never finished.",
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{folder / MANIFEST}: not readable as JSON ({error})") from None


def verify_manifest(folder: Path) -> dict[str, Any]:
    """Compare every file with its digest and return the manifest; raises CheckpointError naming all that differ."""
    manifest = read_manifest(folder)
    found: list[str] = []
    for name, expected in sorted(manifest["files"].items()):
        path = folder / name
        if not path.is_file():
            found.append(f"{path}: missing")
        elif (actual := sha256(path)) != expected:
            found.append(f"{path}: sha256 is {actual}, the manifest says {expected}")
    if found:
        raise CheckpointError(
            f"{folder}: {len(found)} damaged file(s)",
            found,
            "Remove the folder and run its stage again, or restore it with `dvc checkout`.",
        )
    return manifest


def files_digest(files: Mapping[str, str]) -> str:
    """Return one sha256 over names and digests of files: what a package is, whenever it was written."""
    return hashlib.sha256(json.dumps(dict(files), sort_keys=True).encode()).hexdigest()


@contextmanager
def beside(folder: Path) -> Iterator[Path]:
    """Yield an empty folder beside `folder`, which takes its place on success; on any error nothing is left behind.

    What a killed process left there is removed first. Raises DiskFull when the disk had no room.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if is_disk_full(error):
            raise disk_full(folder) from error
        raise


@contextmanager
def whole_folder(folder: Path, **facts: Any) -> Iterator[Path]:
    """Yield an empty folder beside `folder`; on success its manifest is written and it takes the place of `folder`.

    On any error nothing is left behind. `facts` go into the manifest; a caller that learns facts on the
    way may put a mapping there and fill it. Raises DiskFull when the disk had no room.
    """
    with beside(folder) as partial:
        yield partial
        write_manifest(partial, **facts)


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""No room on the disk, none within a quota, and a file above what `ulimit -f` lets this process write."""


def is_disk_full(error: BaseException) -> bool:
    """Say whether a write failed for want of room; safetensors, written in Rust, has only its message to tell."""
    if isinstance(error, OSError):
        return error.errno in FULL
    return any(f"(os error {number})" in str(error) for number in FULL)


def says_disk_full(line: str) -> bool:
    """Say whether a line that a program has printed tells of a write that failed for want of room."""
    return any(words in line for words in (*map(os.strerror, FULL), "disk is full", "no space left"))


def disk_full(path: Path) -> DiskFull:
    """Return the DiskFull error for a failed write below `path`."""
    free, limit = free_at(path), resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    limited = "" if limit == resource.RLIM_INFINITY else f"; no file may be above {limit} bytes, by `ulimit -f`"
    return DiskFull(
        f"{path}: the disk is full ({free / 1e6:.0f} MB free there{limited})",
        advice="Nothing half-written was kept. Make room (`dvc gc`, `make clean`) and run the same command again.",
    )


BARRED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EIO)
"""Not allowed, mounted read-only, a file in a folder's place, no possible name, a disk that fails."""


def is_barred(error: BaseException) -> bool:
    """Say whether the system refused a path: a fault of the place, not of the program."""
    return isinstance(error, OSError) and error.errno in BARRED and error.filename is not None


def barred(error: OSError) -> BadInput:
    """Return what to say of a path that the system refused."""
    name = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else str(error.filename)
    return BadInput(
        f"{name}: {os.strerror(error.errno or 0)}",
        advice="Whoever runs this must be able to read and write there; nothing half-written was kept. See the rights "
        f"(`ls -ld {name}`), whether it is mounted read-only (`findmnt --target {Path(name).parent}`), and its disk.",
    )


def refused(error: BaseException, place: Path) -> DiskFull | BadInput | None:
    """Return what to say of no room below `place`, or of a path that the system refused; None of another error."""
    if is_disk_full(error):
        return disk_full(place)
    return barred(error) if isinstance(error, OSError) and is_barred(error) else None


def free_at(path: Path) -> int:
    """Return how many bytes are free where a path is or would be."""
    return shutil.disk_usage(next(near for near in (path.absolute(), *path.absolute().parents) if near.exists())).free


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees the old content or the new one, never a part."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        if is_disk_full(error):
            raise disk_full(path) from error
        raise


def digest(content: Mapping[str, Any]) -> str:
    """Return a short digest of plain data, the same for equal data."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]
