"""Objects under keys, wherever they lie: one protocol, one file per kind of store."""

from graft.storage.local import LocalStore
from graft.storage.memory import MemoryStore
from graft.storage.probe import probe
from graft.storage.store import Stat, Store

__all__ = ["LocalStore", "MemoryStore", "Stat", "Store", "probe"]
