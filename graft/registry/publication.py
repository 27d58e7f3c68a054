"""From a package to a version and a decision about it, safe to repeat and to run beside other publishers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graft.catalog import Gates
from graft.errors import RegistryError
from graft.registry.comparison import TestRows, pair
from graft.registry.events import GateResult, Promoted, Registered, Rejected, signature
from graft.registry.fold import State, Version
from graft.registry.gates import evaluate
from graft.registry.package import Package, check_golden, open_package
from graft.registry.registry import Registry
from graft.registry.shelf import keep, upload


@dataclass(frozen=True)
class Candidate:
    """What is to be published: a package folder, its metrics, and the gates that it must pass."""

    model: str
    folder: Path
    metrics: Mapping[str, Any]
    gates: Gates
    test_rows: TestRows
    resamples: int = 2000
    confidence: float = 0.95


@dataclass(frozen=True)
class Decision:
    """What became of a candidate. `new`: it was registered just now; `decided`: its gates were asked just now."""

    model: str
    version: int
    new: bool
    decided: bool
    promoted: bool
    gates: tuple[GateResult, ...]
    champion_before: int | None
    champion_after: int | None
    reason: str


def publish(registry: Registry, candidate: Candidate) -> Decision:
    """Register a candidate and promote it if it passes every gate; a package that is there already stays as it is.

    A candidate that fails a gate is registered too, as challenger with a `rejected` event, so that a person
    may look at it and promote it by hand. Raises RegistryError when the package does not verify.
    """
    package = open_package(candidate.folder)
    _require_match(candidate, package)
    state, event = _register(registry, candidate, package)
    version = state.with_digest(package.digest)
    if version is None:
        raise RegistryError(f"{candidate.model}: package {package.digest[:12]} is not in the registry after all")
    return _decide(registry, candidate, package, version, new=event is not None)


def _require_match(candidate: Candidate, package: Package) -> None:
    problems = []
    if package.facts["target"] != candidate.model:
        problems.append(f"the package was made for target '{package.facts['target']}'")
    ours, theirs = candidate.metrics, package.facts.get("metrics", {})
    if differing := sorted(key for key, value in theirs.items() if ours.get(key) != value):
        problems.append(f"the report's metrics are not the package's: {', '.join(differing[:8])}")
    if ours.get("package", package.digest) != package.digest:
        problems.append(f"the report is of package {str(ours['package'])[:12]}, this is {package.digest[:12]}")
    if problems:
        raise RegistryError(
            f"{candidate.folder}: package and report of '{candidate.model}' do not belong together",
            problems,
            f"Make both again: `dvc repro evaluate@{candidate.model}`.",
        )


def _register(registry: Registry, candidate: Candidate, package: Package) -> tuple[State, Registered | None]:
    """Upload, then say so: until the event is there nobody sees a version, after it every byte is in place."""
    place = ""

    def decide(state: State) -> Registered | None:
        nonlocal place
        if state.with_digest(package.digest) is not None:
            return None
        if not place:
            check_golden(package)
            place = upload(registry.store, candidate.model, package)
        return Registered(
            model=candidate.model,
            version=len(state.versions) + 1,
            reason=f"evaluated: {candidate.metrics.get('verdict', 'no verdict')}",
            digest=package.digest,
            package=place,
            metrics=dict(candidate.metrics),
            **signature(),
        )

    return registry.append(candidate.model, decide)


def _decide(registry: Registry, candidate: Candidate, package: Package, version: Version, new: bool) -> Decision:
    while True:  # another round only when the champion changed while the gates were asked
        state = registry.state(candidate.model)
        if _settled(state, version, candidate.gates):
            return _standing(state, version, new)
        results = _ask(registry, candidate, package, state)
        event = _event(candidate, state, version, results)

        def unless_overtaken(
            now: State, event: Promoted | Rejected = event, seen: int | None = state.champion
        ) -> Promoted | Rejected | None:
            return event if now.champion == seen and not _settled(now, version, candidate.gates) else None

        after, written = registry.append(candidate.model, unless_overtaken)
        if written is not None:
            return Decision(
                model=candidate.model,
                version=version.number,
                new=new,
                decided=True,
                promoted=isinstance(written, Promoted),
                gates=written.gates,
                champion_before=state.champion,
                champion_after=after.champion,
                reason=written.reason,
            )


def _settled(state: State, version: Version, gates: Gates) -> bool:
    """Return whether nothing is left to decide: the same gates were asked, or the version was champion once."""
    decision = state.decision(version.number)
    same = decision is not None and decision.asked == gates.model_dump(mode="json")
    return same or state.was_champion(version.number)


def _standing(state: State, version: Version, new: bool) -> Decision:
    decision = state.decision(version.number)
    earlier = f"; decided earlier: {decision.reason}" if decision else ""
    return Decision(
        model=state.model,
        version=version.number,
        new=new,
        decided=False,
        promoted=False,
        gates=decision.gates if decision else (),
        champion_before=state.champion,
        champion_after=state.champion,
        reason=f"{version.name} is this package already, nothing new to register{earlier}",
    )


def _ask(registry: Registry, candidate: Candidate, package: Package, state: State) -> tuple[GateResult, ...]:
    if state.champion is None:
        challenge = None
    else:
        champion = state.version(state.champion)

        def challenge() -> Any:
            return pair(package, keep(registry.store, champion, registry.cache), candidate.test_rows)

    return evaluate(candidate.gates, candidate.metrics, challenge, candidate.resamples, candidate.confidence)


def _event(
    candidate: Candidate, state: State, version: Version, results: tuple[GateResult, ...]
) -> Promoted | Rejected:
    failed = [result.reason for result in results if not result.passed]
    about = {"model": candidate.model, "version": version.number, "gates": results, **signature()}
    asked = candidate.gates.model_dump(mode="json")
    if failed:
        return Rejected(**about, asked=asked, reason="; ".join(failed))
    succeeds = f", succeeds {state.model}@{state.champion}" if state.champion else ", the first champion"
    return Promoted(**about, asked=asked, reason=f"passed all {len(results)} gates{succeeds}")
