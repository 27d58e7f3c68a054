"""A store in a folder. It needs a file system with hard links: they make conditional creation atomic."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from graft.errors import BadInput, StoreUnfit
from graft.manifest import disk_full, is_disk_full
from graft.storage.store import CHUNK, Stat, checked

PARTIAL = ".partial"  # no key begins with a dot, so what is being written is never listed or read


class LocalStore:
    """Every object is a file below `root`; the folder is made by the first write."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def get(self, key: str) -> bytes:
        """Return an object; raises FileNotFoundError when there is none."""
        return self._path(key).read_bytes()

    def chunks(self, key: str) -> Iterator[bytes]:
        """Stream an object's content piece by piece; raises FileNotFoundError when there is none."""
        with self._path(key).open("rb") as stream:
            while piece := stream.read(CHUNK):
                yield piece

    def download(self, key: str, path: Path) -> None:
        """Copy an object into a file; raises FileNotFoundError when there is none."""
        try:
            shutil.copyfile(self._path(key), path)
        except OSError as error:
            raise _named(path, error) from error

    def put(self, key: str, content: bytes | Path) -> None:
        """Write an object beside its place and rename it, in place of an older one."""
        with self._written(key, content) as (beside, path):
            beside.replace(path)

    def put_if_absent(self, key: str, content: bytes | Path) -> bool:
        """Write an object unless the key is taken; raises StoreUnfit where the file system has no hard links."""
        if self._path(key).exists():  # the link below decides; this spares a late writer its two waits for the disk
            return False
        with self._written(key, content) as (beside, path):
            try:
                path.hardlink_to(beside)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
                    raise StoreUnfit(
                        f"{self.root}: this file system has no hard links ({error.strerror})",
                        advice="Put the folder on a local disk: set GRAFT_REGISTRY to a path there.",
                    ) from error
                raise
        return True

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
        self._path(key).unlink(missing_ok=True)

    def stat(self, key: str) -> Stat | None:
        """Return the facts of an object, or None when there is none."""
        path = self._path(key)
        return Stat(path.stat().st_size) if path.is_file() else None

    def list(self, folder: str = "", after: str = "") -> tuple[str, ...]:
        """Return every key below a folder, in order, with `after` those that come after it; links are not followed."""
        start = self._path(folder) if folder else self.root
        found = []
        for place, folders, files in os.walk(start):
            folders[:] = [name for name in folders if not name.startswith(".")]
            below = "" if Path(place) == self.root else f"{Path(place).relative_to(self.root).as_posix()}/"
            names = [name for name in files if not name.startswith(".") and below + name > after]
            found += [below + name for name in names if not Path(place, name).is_symlink()]
        if not found and self.root.is_file():
            raise BadInput(f"{self.root}: a file, expected a folder", advice="Move it away, or name another folder.")
        return tuple(sorted(found))

    def _path(self, key: str) -> Path:
        path = self.root / checked(key)
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise BadInput(f"{path} is a link that leaves {self.root}", advice="Remove the link.")
        return path

    @contextmanager
    def _written(self, key: str, content: bytes | Path) -> Iterator[tuple[Path, Path]]:
        """Yield a complete file on disk and the place it is meant for; what is left of it goes away."""
        path, beside = self._path(key), self.root / PARTIAL / uuid4().hex
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.parent.mkdir(exist_ok=True)
            with beside.open("xb") as stream:
                if isinstance(content, Path):
                    with content.open("rb") as origin:
                        shutil.copyfileobj(origin, stream)
                else:
                    stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            yield beside, path
            _sync(path.parent)
        except OSError as error:
            raise _named(path, error) from error
        finally:
            beside.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Make a new name in a folder survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _named(path: Path, error: OSError) -> Exception:
    return disk_full(path) if is_disk_full(error) else error
