"""A local cache of the hub, as `huggingface_hub` lays it out."""

import shutil
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def cache_snapshot(cache: Path, hub_id: str, folder: Path) -> Path:
    """Put a copy of a folder into a cache as the main revision of a hub id, and return where it lies."""
    cached = cache / f"models--{hub_id.replace('/', '--')}"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text(COMMIT)
    return Path(shutil.copytree(folder, cached / "snapshots" / COMMIT))
