"""What every reader gives: rows in canonical columns, divided into splits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa


@dataclass(frozen=True)
class Dataset:
    """Rows in canonical columns.

    Each table has the columns of its problem (`image`, `audio` and `mask`: bytes and path, `text`, `label`: int64),
    `group` where the catalogue names one, and the provenance of every row: `file`, and `row` counted from 1 (0 for a
    file that is one input).
    """

    splits: Mapping[str, pa.Table]
    """`train` and `test`; `validation` only where the data has one."""
    labels: tuple[str, ...]
    """Names of the classes in the order of their indices, of labels or of what a mask holds; empty where none are."""
    fingerprint: str
    """sha256 over splits, label names and content; file layout and times do not count."""
    keys: Mapping[str, Sequence[bytes]] = field(default_factory=dict)
    """A sha256 of the stored input of every row, by split."""
