"""Any format into one form: named splits, canonical columns, label names, a content fingerprint."""

from graft.reading.dataset import Dataset
from graft.reading.hashing import row_hashes, values_of
from graft.reading.hub import fetch_hub
from graft.reading.images import convert_image, hash_image, open_image
from graft.reading.inspection import Inspection, inspect
from graft.reading.masks import VOID, Mask, encode_mask, mask_image, open_mask
from graft.reading.media import MEDIA, Medium
from graft.reading.reader import read
from graft.reading.shift import path_digest, read_shift
from graft.reading.sounds import Clip, encode_clip, hash_clip, measure_duration, open_clip, resample
from graft.reading.splitting import hold_out, sample
from graft.reading.texts import hash_text

__all__ = [
    "MEDIA",
    "VOID",
    "Clip",
    "Dataset",
    "Inspection",
    "Mask",
    "Medium",
    "convert_image",
    "encode_clip",
    "encode_mask",
    "fetch_hub",
    "hash_clip",
    "hash_image",
    "hash_text",
    "hold_out",
    "inspect",
    "mask_image",
    "measure_duration",
    "open_clip",
    "open_image",
    "open_mask",
    "path_digest",
    "read",
    "read_shift",
    "resample",
    "row_hashes",
    "sample",
    "values_of",
]
