"""What can happen to a model. Each event is one object, created only if absent; its number is its name."""

import getpass
import platform
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from graft.errors import RegistryError


class Record(BaseModel):
    """A frozen record; what it does not know is refused, because a fold must not guess."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class GateResult(Record):
    """What one gate found and what it asked for, in words and in numbers."""

    gate: str
    passed: bool
    found: str
    required: str
    reason: str
    numbers: dict[str, float] = Field(default_factory=dict)


class Happening(Record):
    """What every event says: about which model, who, when, why."""

    model: str
    who: str
    when: AwareDatetime
    reason: str


class Claimed(Happening):
    """A run began. From now on it alone may publish by itself; what an earlier run still says is refused."""

    kind: Literal["claimed"] = "claimed"
    claim: int = Field(ge=1)
    """Number of the claim: the fencing token of all that the run says."""
    run: str
    """Name of the run, for people."""


class OfVersion(Happening):
    """What is said of one version."""

    version: int = Field(ge=1)


class ByRun(OfVersion):
    """What a run may say, and then says under its claim."""

    claim: int | None = Field(None, ge=1)
    """The claim that it was said under; none where a person decided.

    The number after the newest claims in the same moment: so does a publication that no run has claimed for.
    """


class Registered(ByRun):
    """A package became a version."""

    kind: Literal["registered"] = "registered"
    digest: str = Field(pattern=r"\A[0-9A-Za-z_-]+\z")
    """Digest of the package: every file's name and sha256. It names the folder of a copy, and so leads nowhere else."""
    package: str
    """Folder of the package in the store."""
    metrics: dict[str, Any]
    """The evaluation's metrics.json."""


class Promoted(ByRun):
    """A version became champion."""

    kind: Literal["promoted"] = "promoted"
    gates: tuple[GateResult, ...] = ()
    """Results of the gates; none for a promotion by hand."""
    asked: dict[str, Any] = Field(default_factory=dict)
    """The gates' settings that were asked."""
    forced: bool = False
    """Whether a person overruled the verdict."""


class Proposed(ByRun):
    """A version passed every gate, and awaits the approval of a person."""

    kind: Literal["proposed"] = "proposed"
    gates: tuple[GateResult, ...]
    """Results of the gates."""
    asked: dict[str, Any]
    """The gates' settings that were asked."""


class Rejected(ByRun):
    """A version failed a gate; it stays, and a person may still promote it."""

    kind: Literal["rejected"] = "rejected"
    gates: tuple[GateResult, ...]
    """Results of the gates."""
    asked: dict[str, Any]
    """The gates' settings that were asked."""


class RolledBack(OfVersion):
    """The champion gave way to the one before it; `version` is the one that is champion again."""

    kind: Literal["rolled-back"] = "rolled-back"
    abandoned: int = Field(ge=1)
    """The version that was champion until then."""


Decided = Promoted | Proposed | Rejected
"""What gates can come to."""
Event = Claimed | Registered | Promoted | Proposed | Rejected | RolledBack
_ADAPTER: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="kind")])


def parse(content: bytes, key: str) -> Event:
    """Return the event stored under a key; raises RegistryError for what is not one."""
    try:
        return _ADAPTER.validate_json(content)
    except ValidationError as error:
        found = [f"{'.'.join(map(str, problem['loc'])) or 'content'}: {problem['msg']}" for problem in error.errors()]
        raise RegistryError(
            f"{key}: not an event that this version of Graft can read",
            found,
            "It is damaged, or was written by a newer Graft: upgrade, or restore the object from a backup.",
        ) from None


def dump(event: Event) -> bytes:
    """Return the event as its stored object."""
    return (event.model_dump_json(indent=2) + "\n").encode()


def signature(person: str | None = None) -> dict[str, Any]:
    """Return `who` and `when` of an event that happens now, here; `person` is who asked this account to say it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        user = "unknown"
    account = f"{user}@{platform.node() or 'unknown'}"
    return {"who": f"{person.strip()}, by {account}" if person else account, "when": datetime.now(UTC)}
