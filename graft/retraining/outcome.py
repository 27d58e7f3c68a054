"""What came of a study, beside what was expected of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graft.retraining.estimate import Estimate


def make_record(estimate: Estimate, metrics: Mapping[str, Any], decision: Mapping[str, Any]) -> dict[str, Any]:
    """Return the record of a study: its state, the estimate, and what it gained and cost.

    The gain is over the version before, whose test rows were the same unless the data changed; None where there was
    none, or where no model was made anew.
    """
    metric, new = str(metrics["metric"]), bool(decision["new"])
    sign = 1 if metrics.get("higher_is_better", True) else -1
    before = estimate.before if new else None
    outcome = {
        "metric": metric,
        "before": before,
        "after": metrics["transfer"],
        "gain": None if before is None else sign * (metrics["transfer"] - before),
        **{key: metrics.get(key) for key in ("seconds", "flops", "money", "train_rows", "verdict")},
        "promoted": decision["promoted"],
    }
    return {
        "target": estimate.target,
        "when": estimate.when,
        "version": f"{decision['model']}@{decision['version']}",
        "new": new,
        "state": dict(estimate.state),
        "estimate": estimate.content(),
        "outcome": outcome,
    }
