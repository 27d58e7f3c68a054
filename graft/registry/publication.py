"""From a package to a version and a decision about it, safe to repeat and to run beside other publishers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from graft.catalog import Gates
from graft.errors import RegistryError
from graft.registry.claims import require_given
from graft.registry.comparison import TestRows, pair
from graft.registry.events import Decided, GateResult, Promoted, Proposed, Registered, Rejected, signature
from graft.registry.fold import State, Version
from graft.registry.gates import evaluate
from graft.registry.package import Package, check_golden, open_package
from graft.registry.registry import Registry
from graft.registry.shelf import keep, upload

Results = tuple[GateResult, ...]


@dataclass(frozen=True)
class Candidate:
    """What is to be published: a package folder, its metrics, and the gates that it must pass.

    `claim` is the number that its run took when it began; without one the publication itself takes over.
    """

    model: str
    folder: Path
    metrics: Mapping[str, Any]
    gates: Gates
    test_rows: TestRows
    resamples: int = 2000
    confidence: float = 0.95
    claim: int | None = None


@dataclass(frozen=True)
class Decision:
    """What became of a candidate. `new`: it was registered just now; `decided`: its gates were asked just now.

    `awaits_approval`: it passed every gate, and a person must promote it.
    """

    model: str
    version: int
    new: bool
    decided: bool
    promoted: bool
    gates: Results
    champion_before: int | None
    champion_after: int | None
    reason: str
    awaits_approval: bool = False


def publish(registry: Registry, candidate: Candidate) -> Decision:
    """Register a candidate and promote it if it passes every gate; a package that is there already stays as it is.

    A candidate that fails a gate is registered too, as challenger with a `rejected` event, so that a person
    may look at it and promote it by hand; one that passes them all awaits approval where the gates ask for it.
    Raises RegistryError when the package does not verify, and Fenced when another run has taken the model over.
    """
    package = open_package(candidate.folder)
    _require_match(candidate, package)
    present = registry.read(candidate.model)
    known = present.with_digest(package.digest)
    if known is not None and _settled(present, known, candidate.gates):
        return _standing(present, known, new=False)
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
        claim = _claim(candidate, state)
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
            claim=claim,
            **signature(),
        )

    return registry.append(candidate.model, decide)


def _decide(registry: Registry, candidate: Candidate, package: Package, version: Version, new: bool) -> Decision:
    while True:  # another round only when the champion changed while the gates were asked
        state = registry.state(candidate.model)
        if _settled(state, version, candidate.gates):
            return _standing(state, version, new)
        _claim(candidate, state)  # a run that was overtaken learns it before its gates cost anything
        results = _ask(registry, candidate, package, state)

        def unless_overtaken(now: State, seen: State = state, found: Results = results) -> Decided | None:
            if now.champion != seen.champion or _settled(now, version, candidate.gates):
                return None
            return _event(candidate, now, version, found)

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
                awaits_approval=version.number in after.awaiting,
            )


def _claim(candidate: Candidate, state: State) -> int:
    """Return what the candidate's run claimed; without a run the next number, which takes over as it is said."""
    if candidate.claim is None:
        return state.next_claim
    require_given(state, candidate.claim)
    return candidate.claim


def _settled(state: State, version: Version, gates: Gates) -> bool:
    """Return whether nothing is left to decide: the same gates were asked, or the version was champion once."""
    decision = state.decision(version.number)
    same = decision is not None and _same(decision.asked, gates)
    return same or state.was_champion(version.number)


def _same(asked: Mapping[str, Any], gates: Gates) -> bool:
    """Return whether these gates were asked; one that did not exist then had its default."""
    try:
        return Gates.model_validate(asked) == gates
    except ValidationError:
        return False


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
        awaits_approval=version.number in state.awaiting,
    )


def _ask(registry: Registry, candidate: Candidate, package: Package, state: State) -> Results:
    if state.champion is None:
        challenge = None
    else:
        champion = state.version(state.champion)

        def challenge() -> Any:
            return pair(package, keep(registry.store, champion, registry.cache), candidate.test_rows)

    return evaluate(candidate.gates, candidate.metrics, challenge, candidate.resamples, candidate.confidence)


def _event(candidate: Candidate, state: State, version: Version, results: Results) -> Decided:
    failed = [result.reason for result in results if not result.passed]
    asked = candidate.gates.model_dump(mode="json")
    about = {"model": candidate.model, "version": version.number, "gates": results, "asked": asked, **signature()}
    about["claim"] = _claim(candidate, state)
    if failed:
        return Rejected(**about, reason="; ".join(failed))
    passed = f"passed all {len(results)} gates"
    if candidate.gates.approval:
        return Proposed(**about, reason=f"{passed}; a person must approve it")
    succeeds = f", succeeds {state.model}@{state.champion}" if state.champion else ", the first champion"
    return Promoted(**about, reason=passed + succeeds)
