"""What a finished target has to say: its metrics, what the registry decided, and both in one summary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graft.evaluation.verdict import sentence
from graft.settings import settings


def read_decision(target: str) -> dict[str, Any]:
    """Return what the last publication of a target decided."""
    return dict(json.loads((settings().work / "decisions" / f"{target}.json").read_text()))


def read_metrics(target: str) -> dict[str, Any]:
    """Return the metrics of a target's last evaluation."""
    return dict(json.loads((Path("reports") / target / "metrics.json").read_text()))


def summary(metrics: Mapping[str, Any], decision: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a person or a script wants to know of a run, JSON-ready."""
    target = metrics["target"]
    keys = ("verdict", "metric", "transfer", "scratch", "gain", "gain_low", "gain_high", "strategy")
    return {
        "target": target,
        **{key: metrics[key] for key in keys},
        "sentence": sentence(metrics),
        "report": f"reports/{target}/report.html",
        "version": f"{decision['model']}@{decision['version']}",
        "model": decision_headline(decision),
        **{key: decision[key] for key in ("new", "promoted", "awaits_approval", "champion_after", "reason")},
    }


def decision_headline(decision: Mapping[str, Any]) -> str:
    """Return in one line what became of the model."""
    version = f"{decision['model']}@{decision['version']}"
    if decision["promoted"]:
        return f"{version} is champion"
    if decision["champion_after"] == decision["version"]:
        return f"{version} stays champion"
    champion = decision["champion_after"]
    stays = f"{decision['model']}@{champion} stays champion" if champion else "there is no champion"
    if decision["awaits_approval"]:
        return f"{version} awaits approval; {stays}"
    return f"{version} is registered, not promoted; {stays}"
