"""A store in memory: the shipped fake, for tests and for trying things out."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from threading import Lock

from graft.storage.store import Stat, checked


class MemoryStore:
    """A dictionary behind a lock; it lives as long as its process."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}
        self._lock = Lock()

    def get(self, key: str) -> bytes:
        """Return an object; raises FileNotFoundError when there is none."""
        try:
            return self._objects[checked(key)]
        except KeyError:
            raise FileNotFoundError(key) from None

    def chunks(self, key: str) -> Iterator[bytes]:
        """Stream an object's content, in one piece; raises FileNotFoundError when there is none."""
        yield self.get(key)

    def download(self, key: str, path: Path) -> None:
        """Write an object into a file; raises FileNotFoundError when there is none."""
        path.write_bytes(self.get(key))

    def put(self, key: str, content: bytes | Path) -> None:
        """Write an object, in place of an older one."""
        data = _read(content)
        with self._lock:
            self._objects[checked(key)] = data

    def put_if_absent(self, key: str, content: bytes | Path) -> bool:
        """Write an object unless the key is taken."""
        data = _read(content)
        with self._lock:
            absent = checked(key) not in self._objects
            if absent:
                self._objects[key] = data
            return absent

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
        with self._lock:
            self._objects.pop(checked(key), None)

    def stat(self, key: str) -> Stat | None:
        """Return the facts of an object, or None when there is none."""
        data = self._objects.get(checked(key))
        return (
            None if data is None else Stat(len(data), hashlib.sha256(data).hexdigest(), hashlib.md5(data).hexdigest())
        )

    def list(self, folder: str = "", after: str = "") -> tuple[str, ...]:
        """Return every key below a folder, in order; with `after` those that come after that key."""
        prefix = f"{checked(folder)}/" if folder else ""
        with self._lock:
            return tuple(sorted(key for key in self._objects if key.startswith(prefix) and key > after))


def _read(content: bytes | Path) -> bytes:
    return content.read_bytes() if isinstance(content, Path) else content
