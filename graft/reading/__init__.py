"""Any format into one form: named splits, canonical columns, label names, a content fingerprint."""

from graft.reading.dataset import Dataset
from graft.reading.hashing import hash_image, hash_text, row_hashes
from graft.reading.hub import fetch_hub
from graft.reading.images import convert_image, open_image
from graft.reading.inspection import Inspection, inspect
from graft.reading.reader import read
from graft.reading.shift import path_digest, read_shift
from graft.reading.splitting import hold_out, sample

__all__ = [
    "Dataset",
    "Inspection",
    "convert_image",
    "fetch_hub",
    "hash_image",
    "hash_text",
    "hold_out",
    "inspect",
    "open_image",
    "path_digest",
    "read",
    "read_shift",
    "row_hashes",
    "sample",
]
