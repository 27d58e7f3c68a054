"""Any format into one form: named splits, canonical columns, label names, a content fingerprint."""

from graft.reading.dataset import Dataset
from graft.reading.hashing import row_hashes
from graft.reading.hub import fetch_hub
from graft.reading.images import convert_image, hash_image, open_image
from graft.reading.inspection import Inspection, inspect
from graft.reading.media import MEDIA, Medium
from graft.reading.reader import read
from graft.reading.shift import path_digest, read_shift
from graft.reading.sounds import Clip, encode_clip, hash_clip, open_clip, resample
from graft.reading.splitting import hold_out, sample
from graft.reading.texts import hash_text

__all__ = [
    "MEDIA",
    "Clip",
    "Dataset",
    "Inspection",
    "Medium",
    "convert_image",
    "encode_clip",
    "fetch_hub",
    "hash_clip",
    "hash_image",
    "hash_text",
    "hold_out",
    "inspect",
    "open_clip",
    "open_image",
    "path_digest",
    "read",
    "read_shift",
    "resample",
    "row_hashes",
    "sample",
]
