"""Objects under keys, wherever they lie: one protocol, one file per kind of store."""

from graft.storage.local import LocalStore
from graft.storage.memory import MemoryStore
from graft.storage.opening import open_store
from graft.storage.probe import probe
from graft.storage.s3 import S3Store
from graft.storage.store import Stat, Store

__all__ = ["LocalStore", "MemoryStore", "S3Store", "Stat", "Store", "open_store", "probe"]
