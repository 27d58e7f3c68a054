"""Checkpoints from where the catalogue says: a folder, or the hub."""

from __future__ import annotations

from pathlib import Path

from graft.catalog import Backbone
from graft.errors import HubUnavailable


def fetch(backbone: Backbone) -> Path:
    """Return the local folder of a checkpoint or hub id; raises HubUnavailable where the hub cannot be reached."""
    if backbone.checkpoint is not None:
        return Path(backbone.checkpoint)
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError

    # an error of its HTTP client, whichever that is, and OSError: a connection that breaks in a file is only the first
    broken: tuple[type[Exception], ...] = (*HfHubHTTPError.__bases__, ValueError)
    patterns = ["*.json", "*.safetensors", "*.txt", "*.model"]
    try:
        return Path(
            huggingface_hub.snapshot_download(str(backbone.hub), revision=backbone.revision, allow_patterns=patterns)
        )
    except broken as error:
        raise HubUnavailable(
            f"backbone.hub '{backbone.hub}': not in the local cache and the hub did not answer",
            [" ".join(str(error).split())[:300]],
            "Connect once to fetch it, copy its folder here and write `checkpoint: FOLDER`, or check the id.",
        ) from error
