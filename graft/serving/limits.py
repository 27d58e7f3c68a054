"""What a server takes at the most. Beyond it a request is refused, so that one client cannot starve the others."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Limits(BaseModel):
    """Sizes and times; each has its own message."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    body_bytes: int = Field(16 * 2**20, ge=1)
    """Of a request, as sent."""
    inputs: int = Field(64, ge=1)
    """Of a request."""
    queue: int = Field(256, ge=1)
    """Inputs that wait or are being answered, of all requests together; and requests that are open."""
    seconds: float = Field(30.0, gt=0)
    """A request may take: first to arrive, then to be answered."""
    characters: int = Field(100_000, ge=1)
    """Of a text or a question."""
    pixels: int = Field(40_000_000, ge=1)
    """Of an image, as its file declares them: a small file may hold a huge one."""
    clip_seconds: float = Field(600.0, gt=0)
    """Of a sound, as its file declares them."""
    tokens: int = Field(1024, ge=1)
    """A model may be asked to write, for all inputs of a request together."""
    batch: int = Field(32, ge=1)
    """Inputs that go through the network together."""
    wait_seconds: float = Field(0.005, ge=0)
    """The first request of a batch waits for others."""
