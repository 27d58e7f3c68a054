"""The environment, read in one place: `GRAFT_*` variables and nothing else."""

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where things are on this machine; never what a study does (that is params.yaml)."""

    model_config = SettingsConfigDict(env_prefix="GRAFT_", frozen=True)

    params: Path = Path("params.yaml")
    """The catalogue."""
    registry: str = "registry"
    """Folder of the model registry, or s3://BUCKET/PREFIX."""
    s3_encryption: Literal["", "AES256", "aws:kms"] = ""
    """How an S3 store is asked to encrypt what is written to it; empty for what the bucket does by itself."""
    claim: int | None = Field(None, ge=1)
    """Number that a run took by `python -m graft.steps claim` and publishes under; none: a publication takes over."""
    work: Path = Path(".graft")
    """Scratch folder: training checkpoints, progress and outcomes of running steps."""
    origin: str = ""
    """Git repository that a worker's runs are cloned from, or the folder that they all work in."""
    checkouts: Path | None = None
    """Folder in which each run of a worker has a checkout of its own; without it they share the origin."""
    remote: str = ""
    """DVC remote of those checkouts, such as s3://BUCKET/PREFIX; empty for the one that the repository names."""
    notify: str = ""
    """Block of Prefect, as TYPE/NAME, that is told of decisions, drift and failures; empty for nobody."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where models run; `auto` takes a GPU when there is one."""
    processes: int = Field(1, ge=0)
    """Processes that a pretraining is divided among, each on a GPU of its own that the run holds; 0: on every GPU."""
    threads: int = 0
    """CPU threads of a training step; 0 takes one for a small network and torch's choice for others."""
    cache_gigabytes: float = 4.0
    """Memory for what frozen layers return, at the most; beyond it goes to disk. 0 turns the cache off."""
    price_per_hour: float | None = Field(None, ge=0)
    """What an hour of this machine costs, in your currency; a study records it, and its report says what it cost."""
    checkpoint_seconds: float = 30.0
    """How often a training run saves its state, at the least."""
    checkpoints: str = ""
    """Folder or s3://BUCKET/PREFIX where trainings keep their state too, so that another machine can go on."""
    log_seconds: float = 5.0
    """How often a running step prints a line when it is not on a terminal."""


@cache
def settings() -> Settings:
    """Return the settings of this process."""
    return Settings()
