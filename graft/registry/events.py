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
    """What every event says: which version, who, when, why."""

    model: str
    version: int = Field(ge=1)
    who: str
    when: AwareDatetime
    reason: str


class Registered(Happening):
    """A package became a version."""

    kind: Literal["registered"] = "registered"
    digest: str
    """Digest of the package: every file's name and sha256."""
    package: str
    """Folder of the package in the store."""
    metrics: dict[str, Any]
    """The evaluation's metrics.json."""


class Promoted(Happening):
    """A version became champion."""

    kind: Literal["promoted"] = "promoted"
    gates: tuple[GateResult, ...] = ()
    """Results of the gates; none for a promotion by hand."""
    asked: dict[str, Any] = Field(default_factory=dict)
    """The gates' settings that were asked."""
    forced: bool = False
    """Whether a person overruled the verdict."""


class Rejected(Happening):
    """A version failed a gate; it stays, and a person may still promote it."""

    kind: Literal["rejected"] = "rejected"
    gates: tuple[GateResult, ...]
    """Results of the gates."""
    asked: dict[str, Any]
    """The gates' settings that were asked."""


class RolledBack(Happening):
    """The champion gave way to the one before it; `version` is the one that is champion again."""

    kind: Literal["rolled-back"] = "rolled-back"
    abandoned: int = Field(ge=1)
    """The version that was champion until then."""


Event = Annotated[Registered | Promoted | Rejected | RolledBack, Field(discriminator="kind")]
_ADAPTER: TypeAdapter[Event] = TypeAdapter(Event)


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


def signature() -> dict[str, Any]:
    """Return `who` and `when` of an event that happens now, here."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        user = "unknown"
    return {"who": f"{user}@{platform.node() or 'unknown'}", "when": datetime.now(UTC)}
