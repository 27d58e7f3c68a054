"""The one error tree. A message says what was found, where, what was expected and what to do.

Exit codes are part of the interface: a script tells bad input (2) from a saved interruption (75)
and from a fault worth another try (74) without reading a word.
"""

from collections.abc import Mapping, Sequence
from typing import Any


class GraftError(Exception):
    """Anything Graft raises on purpose."""

    exit_code = 1


class BadInput(GraftError):
    """What was given cannot be used; trying again without a change cannot help.

    `problems` lists everything that is wrong with the input, not only the first thing found.
    """

    exit_code = 2

    def __init__(self, headline: str, problems: Sequence[str] = (), advice: str = "") -> None:
        self.headline, self.problems, self.advice = headline, tuple(problems), advice
        lines = [headline, *(f"  - {problem}" for problem in self.problems)]
        super().__init__("\n".join([*lines, advice] if advice else lines))


class CatalogError(BadInput):
    """params.yaml, or a name looked up in it, is wrong."""


class DataError(BadInput):
    """A dataset cannot be read or does not hold what its problem needs."""


class CheckFailed(BadInput):
    """An expectation of severity `error` failed; nothing is trained on such data."""


class CheckpointError(BadInput):
    """A model folder is missing, damaged, or of another architecture."""


class HubUnavailable(BadInput):
    """A hub id was named where the hub cannot be reached."""


class DiskFull(BadInput):
    """The disk has no room for an output; what was half-written has been removed."""


class OutOfMemory(BadInput):
    """A training step takes more memory than the device has, in the smallest parts that it can be divided into."""


class RegistryError(BadInput):
    """A model, version or alias does not exist, or a package does not verify."""


class Fenced(RegistryError):
    """Another run has taken the model over, so this one may not publish any more."""

    exit_code = 76


class RemoteDamaged(BadInput):
    """Objects in the DVC remote are missing or damaged, and there is no whole copy here to mend them with."""


class StoreUnfit(BadInput):
    """A store cannot create objects conditionally, so it cannot hold a registry."""


class Refused(BadInput):
    """A request to a server gets no answer; `status` is how HTTP says why (RFC 9110, section 15)."""

    def __init__(self, status: int, headline: str, problems: Sequence[str] = (), advice: str = "") -> None:
        super().__init__(headline, problems, advice)
        self.status = status


class Interrupted(GraftError):
    """The process was asked to stop; its state is saved and the same command goes on from there."""

    exit_code = 75


class Killed(GraftError):
    """A process was killed from outside: out of memory, or kill -9. What it had saved is there."""


class Transient(GraftError):
    """A fault of the surroundings (network, lock, busy device) that another try may not meet."""

    exit_code = 74


def place_of(row: Mapping[Any, Any]) -> str:
    """Return where a canonical row comes from, as a message says it: its file, and its row in one of several."""
    return f"{row['file']}, row {row['row']}" if row["row"] else str(row["file"])
