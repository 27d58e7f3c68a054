"""graft models and its commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flows.terminal import print_json, print_table
from graft.errors import RegistryError
from graft.evaluation.units import digits, scale, unit
from graft.evaluation.verdict import signed
from graft.registry import Finding, audit, open_registry
from graft.registry.events import Claimed, Event
from graft.registry.fold import State
from graft.settings import settings


def list_models(as_json: bool) -> None:
    """Print every version of every model, with what `champion` and `challenger` mean."""
    states = open_registry().models()
    if as_json:
        print_json([_state(state) for state in states])
        return
    if not any(state.versions for state in states):
        print("no models yet; graft run TARGET registers the first")
        return
    rows = [
        (version.name, _aliases(state, version.number), version.verdict, _gain(version.metrics), _when(version.when))
        for state in states
        for version in reversed(state.versions)
    ]
    print_table(("version", "is", "verdict", "gain", "registered"), rows, right=("gain",))


def show(reference: str, as_json: bool) -> None:
    """Print what is known of a version."""
    registry = open_registry()
    version = registry.show(reference)
    state = registry.state(version.model)
    decision = state.decision(version.number)
    if as_json:
        gates = [gate.model_dump(mode="json") for gate in decision.gates] if decision else []
        print_json({**_version(version), "is": _aliases(state, version.number), "gates": gates})
        return
    facts = {
        "version": f"{version.name} {_aliases(state, version.number)}".strip(),
        "verdict": version.verdict,
        "registered": f"{_when(version.when)} by {version.who}",
        "package": version.package,
        "digest": version.digest,
        "decision": decision.reason if decision else "by hand, or none yet",
    }
    print_table(("", ""), facts.items())
    if decision:
        gates = [(gate.gate, "passed" if gate.passed else "failed", gate.reason) for gate in decision.gates]
        print_table(("gate", "", "why"), gates)
    print_table(("metric", "value"), [(name, _short(value)) for name, value in version.metrics.items()])


def promote(reference: str, reason: str, force: bool) -> None:
    """Make a version champion."""
    event = open_registry().promote(reference, reason, force)
    print(f"{event.model}@{event.version} is champion")


def rollback(name: str, reason: str) -> None:
    """Return to the champion before."""
    event = open_registry().rollback(name, reason)
    print(f"{event.model}@{event.version} is champion again, {event.model}@{event.abandoned} is not")


def history(name: str, as_json: bool) -> None:
    """Print every event of a model."""
    events = open_registry().history(name)
    if as_json:
        print_json([event.model_dump(mode="json") for event in events])
        return
    print_table(("when", "what", "version", "who", "why"), _rows(events))


def _rows(events: Sequence[Event]) -> list[tuple[str, ...]]:
    """Return a line for each event; claims that nothing was said between are one line, the last of them."""
    rows: list[tuple[str, ...]] = []
    for event, following in zip(events, [*events[1:], None], strict=True):
        if not isinstance(event, Claimed):
            rows.append((_when(event.when), event.kind, f"{event.model}@{event.version}", event.who, event.reason))
        elif not isinstance(following, Claimed):
            rows.append((_when(event.when), event.kind, "", event.who, f"claim {event.claim}: {event.run}"))
    return rows


def verify(reference: str | None, as_json: bool) -> None:
    """Verify a package in the registry, or every one; raises RegistryError naming each fault of the latter."""
    if reference is None:
        verify_all(as_json)
        return
    found = open_registry().verify(reference)
    if as_json:
        print_json([asdict(Finding(found.version.name, found.files, found.golden))])
        return
    print(f"{found.version.name}: {found.files} files have their digests")
    print(f"{found.version.name}: {found.golden} golden samples are predicted as recorded")


def verify_all(as_json: bool) -> None:
    """Verify every version of every model, and print each as it is done, or all as JSON."""
    findings = []
    for found in audit(open_registry()):
        findings.append(found)
        if not as_json:
            said = f"{found.files} files, {found.golden} golden samples" if not found.faults else "DOES NOT VERIFY"
            print(f"{found.reference}: {said}", flush=True)
    if as_json:
        print_json([asdict(found) for found in findings])
    broken = [found for found in findings if found.faults]
    if broken:
        raise RegistryError(
            f"{len(broken)} of {len(findings)} do not verify",
            [f"{found.reference}: {fault}" for found in broken for fault in found.faults],
            "Restore the registry's objects from a backup; a champion among them: `graft models rollback NAME`.",
        )
    if not as_json:
        nothing = f"there is no version in {settings().registry}; GRAFT_REGISTRY says where to look"
        print(f"{len(findings)} versions verify" if findings else nothing)


def _aliases(state: State, number: int) -> str:
    named = [alias for alias, version in state.aliases.items() if version == number]
    return ", ".join([*named, *(["awaits approval"] if number in state.awaiting else [])])


def push(reference: str, to: str, public: bool) -> None:
    """Write a version into a folder, or upload it to the hub."""
    from graft.exports import push

    registry = open_registry()
    version = registry.show(reference)
    found = push(registry.package(version.name), version, to, public)
    print(f"{version.name}: {found.files} files in {found.place}")
    if found.auto_model:
        print(f"transformers.{found.auto_model}.from_pretrained loads it")
    else:
        print("its network is Graft's own: transformers alone does not load it")


def export(reference: str, onnx: Path) -> None:
    """Write a version's network to an ONNX file."""
    from graft.exports import export_onnx

    registry = open_registry()
    version = registry.show(reference)
    found = export_onnx(registry.package(version.name), onnx, version.name)
    print(f"{version.name}: {found.path} answers {found.samples} golden samples as recorded")
    print(f"largest difference from the network: {found.difference:.1e}")
    for name, sizes in found.inputs.items():
        print(f"reads {name} ({', '.join(map(str, sizes))})")


def tag(reference: str, stages: list[str], commit: str, create: bool) -> None:
    """Print the git tags that say what a version is, as GTO reads them; create them."""
    from flows.tagging import create_tag, find_commit, read_tags
    from graft.exports import tags_of

    registry = open_registry()
    version = registry.show(reference)
    place = find_commit(commit)
    tags = tags_of(registry.state(version.model), version.number, place, read_tags(), stages)
    for one, its in tags.items():
        if create:
            create_tag(one, its, f"{version.name}, package {version.digest}")
        print(f"{one} {its[:12]}")
    if not tags:
        print(f"{version.name}: every tag is there")


def _state(state: Any) -> dict[str, Any]:
    return {
        "model": state.model,
        "champion": state.champion,
        "challenger": state.challenger,
        "awaiting": list(state.awaiting),
        "versions": [_version(version) for version in state.versions],
    }


def _version(version: Any) -> dict[str, Any]:
    return {
        "version": version.name,
        "verdict": version.verdict,
        "digest": version.digest,
        "package": version.package,
        "who": version.who,
        "when": version.when.isoformat(),
        "metrics": version.metrics,
    }


def _gain(metrics: dict[str, Any]) -> str:
    gain = metrics.get("gain")
    metric = str(metrics.get("metric", ""))
    return "" if not isinstance(gain, float | int) else f"{signed(scale(metric) * gain, digits(metric))} {unit(metric)}"


def _when(when: Any) -> str:
    return str(when.astimezone().strftime("%Y-%m-%d %H:%M"))


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_short(part)}" for name, part in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)
