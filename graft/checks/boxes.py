"""What is looked at in boxes, and what is expected of them: whether they fit their images the reader has said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graft.checks.rule import Rule

if TYPE_CHECKING:
    from graft.catalog import Checks


def describe_objects(objects: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how many boxes an image has, how many of them repeat another, and the shortest side in pixels.

    An image without boxes has no shortest side; a box that another class has, too, repeats nothing.
    """
    counts = Counter((one["category"], one["x"], one["y"], one["width"], one["height"]) for one in objects)
    sides = [min(one["width"], one["height"]) for one in objects]
    return {
        "boxes": len(objects),
        "repeated_boxes": sum(counts.values()) - len(counts),
        "shortest_side": min(sides, default=None),
    }


def box_rules(checks: Checks) -> list[Rule]:
    """Return what is expected of boxes."""
    return [
        Rule("repeated-boxes", "No box is there twice", "rows", "repeated_boxes", "warning", high=0),
        Rule("empty-images", "Images have a box", "rows", "boxes", "warning", low=1),
        Rule(
            "small-boxes",
            "No side of a box is shorter than so many pixels",
            "rows",
            "shortest_side",
            "warning",
            low=checks.min_box_side,
        ),
    ]
