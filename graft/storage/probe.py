"""Find out at the start whether a store keeps its word, not when two workers have both won."""

from uuid import uuid4

from graft.errors import StoreUnfit
from graft.storage.store import Store


def probe(store: Store) -> None:
    """Create one object twice, conditionally, and remove it; raises StoreUnfit with the reason when both succeed."""
    key = f"probe/{uuid4().hex}"
    try:
        first = store.put_if_absent(key, b"first")
        second = store.put_if_absent(key, b"second")
        faults = _faults(first, second, store.get(key), key in store.list("probe"))
    finally:
        store.delete(key)
    if faults:
        raise StoreUnfit(
            "this store cannot hold a registry: two workers could both win",
            faults,
            "Use a folder on a local disk (GRAFT_REGISTRY=path), or an S3 that honours conditional creation, as "
            "Amazon's and MinIO's do.",
        )


def _faults(first: bool, second: bool, content: bytes, listed: bool) -> list[str]:
    found = []
    if not first:
        found.append("it refused to create an object under a name that nobody had used")
    if second:
        found.append("it created an object a second time although that was asked only if absent")
    if content != b"first":
        found.append("the second creation replaced the first one's content")
    if not listed:
        found.append("a new object was not in the listing that followed")
    return found
