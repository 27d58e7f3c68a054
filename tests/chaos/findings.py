"""What must hold after a chaos run; each finding is a sentence about what does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from graft.registry import Registry, audit, open_registry
from graft.registry.events import Registered
from tests.chaos.project import TARGETS

ENDED = ("COMPLETED", "FAILED", "CANCELLED")


def about_runs(runs: Sequence[Any]) -> Iterator[str]:
    """Every run ends completed, or failed with a reason."""
    for run in runs:
        if run.state.type not in ENDED:
            yield f"run {run.name} is {run.state.name}: {run.state.message or 'no word'}"
        elif run.state.type != "COMPLETED" and not run.state.message:
            yield f"run {run.name} is {run.state.name} without a reason"


def about_registry(location: Path) -> Iterator[str]:
    """No event is lost, no version is there twice, every package verifies."""
    registry = open_registry(str(location))
    for state in registry.models():
        numbers = [event.version for event in state.history if isinstance(event, Registered)]
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"{state.model}: its versions are numbered {numbers}"
        digests = Counter(version.digest for version in state.versions)
        yield from (f"{state.model}: package {digest[:12]} is there twice" for digest, n in digests.items() if n > 1)
    for found in audit(registry):
        yield from (f"{found.reference}: {fault}" for fault in found.faults)


def about_events(location: Path, summaries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What a completed run said it had registered is in the registry."""
    registry = open_registry(str(location))
    known = {version.name for state in registry.models() for version in state.versions}
    for summary in summaries:
        if summary["version"] not in known:
            yield f"{summary['target']}: a run said that it registered {summary['version']}, which is not there"


def about_weights(location: Path, unbroken: Mapping[str, str], completed: set[str]) -> Iterator[str]:
    """A training that was broken off and resumed has the weights of one that was not."""
    registry = open_registry(str(location))
    for target in TARGETS:
        if target not in completed:
            continue
        if unbroken[target] not in set(weights_of(registry, target)):
            yield f"{target}: no registered version has the weights of the unbroken training"


def weights_of(registry: Registry, model: str) -> Iterator[str]:
    """Yield the sha256 of the weights of every version."""
    for state in registry.models():
        for version in state.versions if state.model == model else ():
            yield registry.package(version.name).files["model.safetensors"]
