"""Register a target's package and decide by its gates whether it becomes champion."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.catalog import Catalog, Target
from graft.errors import CheckpointError
from graft.manifest import verify_manifest, write_whole
from graft.registry import Candidate, Decision, open_registry, publish
from graft.settings import settings

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)


def run(name: str, catalog: Catalog) -> None:
    """Publish packages/NAME and write what was decided to `.graft/decisions/NAME.json`."""
    target = catalog.target(name)
    candidate = Candidate(
        model=name,
        folder=Path("packages") / name,
        metrics=_metrics(Path("reports") / name),
        gates=target.gates,
        test_rows=lambda: _test_rows(target),
        resamples=target.study.resamples,
        confidence=target.study.confidence,
        claim=settings().claim,
    )
    decision = publish(open_registry(), candidate)
    write_whole(settings().work / "decisions" / f"{name}.json", _content(decision))
    _report(decision)


def _metrics(folder: Path) -> dict[str, Any]:
    verify_manifest(folder)
    try:
        return dict(json.loads((folder / "metrics.json").read_text()))
    except (FileNotFoundError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"{folder / 'metrics.json'}: not readable ({error})", advice=f"Make it: `dvc repro evaluate@{folder.name}`."
        ) from None


def _test_rows(target: Target) -> tuple[pa.Table, Sequence[str]]:
    """Return the target's test rows and their hashes, for a champion that has not predicted them yet."""
    from graft.problems import PROBLEMS
    from graft.reading import read, row_hashes

    problem = PROBLEMS[target.problem]
    table = read(target.data, problem).splits["test"]
    return table, row_hashes(table, problem)


def _content(decision: Decision) -> str:
    gates = [gate.model_dump(mode="json") for gate in decision.gates]
    return json.dumps(asdict(decision) | {"gates": gates}, indent=2) + "\n"


def _report(decision: Decision) -> None:
    for gate in decision.gates:
        log.info("gate %s: %s, %s", gate.gate, "passed" if gate.passed else "FAILED", gate.reason)
    if decision.promoted:
        outcome = "is champion"
    elif decision.awaits_approval:
        outcome = f"awaits approval (`graft promote {decision.model}@{decision.version} --reason WHY`)"
    elif decision.decided:
        outcome = "is not promoted"
    else:
        outcome = "stays as it was"
    log.info("%s@%d %s: %s", decision.model, decision.version, outcome, decision.reason)
