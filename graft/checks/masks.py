"""What is looked at in masks, and what is expected of them: whether they fit their images the reader has said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from graft.checks.rule import Rule
from graft.reading import VOID, open_mask

if TYPE_CHECKING:
    from graft.catalog import Checks


def describe_mask(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Return the share of void, of class 0 among the other pixels, and how many classes there are."""
    import numpy as np

    counts = np.bincount(open_mask(cell).ravel(), minlength=256)
    known = int(counts[:VOID].sum())
    return {
        "void_share": round(float(counts[VOID] / max(counts.sum(), 1)), 6),
        "background_share": round(float(counts[0] / max(known, 1)), 6),
        "mask_classes": int((counts[:VOID] > 0).sum()),
    }


def mask_rules(checks: Checks) -> list[Rule]:
    """Return what is expected of masks."""
    title = "Share of void (index 255) in every mask"
    return [
        Rule("void", title, "rows", "void_share", "warning", high=checks.max_void_share),
        Rule("labelled", "Every mask has a pixel that is not void", "rows", "mask_classes", "error", low=1),
    ]
