"""What the services of a stack know each other by: drawn once, kept in one file that only its owner reads."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from graft.errors import BadInput


def draw() -> str:
    """Return a password that nobody guesses."""
    return secrets.token_urlsafe(24)


class Secrets(BaseModel):
    """Passwords of the database, the server and the object store."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    database: str = Field(default_factory=draw)
    server: str = Field(default_factory=lambda: f"graft:{draw()}")
    """User and password of the dashboard and the API."""
    store_key: str = Field(default_factory=draw)
    store_secret: str = Field(default_factory=draw)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return the secrets of a file, which is made if it is not there; raises BadInput where it is damaged."""
        if path.exists():
            try:
                return cls(**json.loads(path.read_text()))
            except (ValueError, TypeError) as error:
                raise BadInput(f"{path}: not readable ({type(error).__name__})", advice="Remove it.") from None
        new = cls()
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.partial")
        beside.unlink(missing_ok=True)
        beside.touch(mode=0o600)
        beside.write_text(new.model_dump_json(indent=2) + "\n")
        beside.rename(path)
        return new
