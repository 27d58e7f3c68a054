"""A store by where it lies: a folder, or `s3://BUCKET/PREFIX`."""

from pathlib import Path
from urllib.parse import urlsplit

from graft.errors import BadInput
from graft.settings import settings
from graft.storage.local import LocalStore
from graft.storage.s3 import S3Store
from graft.storage.store import Store


def open_store(location: str) -> Store:
    """Return the store at a location; nothing is read or made there yet. Raises BadInput for another kind of URL."""
    if "://" not in location:
        return LocalStore(Path(location))
    parts = urlsplit(location)
    if parts.scheme != "s3" or not parts.netloc or parts.query or parts.username:
        raise BadInput(
            f"{location.split('://')[0]}://...: no store is known there",
            advice="Expected a folder, or s3://BUCKET/PREFIX; credentials and the address of another S3 than Amazon's "
            "come from the environment (AWS_ENDPOINT_URL_S3).",
        )
    return S3Store(parts.netloc, parts.path.strip("/"), settings().s3_encryption)
