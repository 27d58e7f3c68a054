"""What a store can do. Keys are relative posix paths such as `events/digits/00000001.json`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from graft.errors import BadInput

CHUNK = 2**20  # bytes of a piece of a streamed object


@dataclass(frozen=True)
class Stat:
    """What is known of an object without reading it."""

    bytes: int
    sha256: str | None = None
    """Hex digest of the content, where the store keeps one; None where only reading would tell."""
    md5: str | None = None
    """The same; S3 says it of what arrived in one piece."""
    parts: str | None = None
    """What S3 says of what arrived in several: the md5 of the md5 of its parts, a dash, and their count."""


class Store(Protocol):
    """Immutable reads and whole writes: nobody ever sees a part of an object.

    A path as `content` is streamed from that file. Every method raises BadInput for a key that could
    leave the store. A key must not also be the folder of another key.
    """

    def get(self, key: str) -> bytes:
        """Return an object; raises FileNotFoundError when there is none."""

    def chunks(self, key: str) -> Iterator[bytes]:
        """Stream an object's content piece by piece; raises FileNotFoundError when there is none."""

    def download(self, key: str, path: Path) -> None:
        """Stream an object into a file; raises FileNotFoundError when there is none."""

    def put(self, key: str, content: bytes | Path) -> None:
        """Write an object, in place of an older one."""

    def put_if_absent(self, key: str, content: bytes | Path) -> bool:
        """Write an object unless the key is taken; of many writers exactly one is told True."""

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""

    def stat(self, key: str) -> Stat | None:
        """Return the facts of an object, or None when there is none."""

    def list(self, folder: str = "", after: str = "") -> tuple[str, ...]:
        """Return every key below a folder, in order; half-written objects are not among them.

        With `after`, a key, only those that come after it in that order: what is known already costs nothing.
        """


def checked(key: str) -> str:
    """Return the key if it names an object inside any store; raises BadInput otherwise.

    Parts that begin with a dot are refused as a whole: that covers `.` and `..`, and leaves stores room for
    their own files.
    """
    parts = key.split("/")
    if any(not part or part.startswith(".") or "\\" in part or not part.isprintable() for part in parts):
        raise BadInput(
            f"{key!r} cannot be a key in a store",
            advice="A key is a relative path with '/' between its parts; no part is empty or begins with a dot.",
        )
    return key
