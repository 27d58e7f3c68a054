"""graft run, graft retrain."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any


def run(target: str, as_json: bool = False) -> None:
    """Run one target to its verdict, or say that there is nothing to do."""
    from flows.local import run_flow
    from graft.catalog import load
    from tasks.pipeline import plan

    plan(target, load())  # an unknown target is said at once, before any server starts
    result = None if os.environ.get("PREFECT_API_URL") else standing(target)
    idle = result is not None
    result = result or run_flow("transfer", {"target": target})
    if as_json:
        print(json.dumps({"ran": not idle, **result}, indent=2))
    else:
        print("\n".join((["nothing to do; the last verdict:"] if idle else []) + lines(result)))


def standing(target: str) -> dict[str, Any] | None:
    """Return the summary of a target that is current in every stage and registered; None where there is work.

    Publishing is asked again: it costs nothing for a registered package, and notices a registry that lacks it.
    """
    from graft.catalog import load
    from tasks.pipeline import plan, run_step, stale
    from tasks.results import read_decision, read_metrics, summary
    from tasks.sharing import unshared
    from tasks.shifts import changed_shifts

    catalog = load()
    stages = plan(target, catalog).stages
    if stale(stages) or changed_shifts(target, catalog) or unshared(stages):
        return None
    run_step("publish", target, lambda line: None)
    return summary(read_metrics(target), read_decision(target))


def lines(result: Mapping[str, Any]) -> list[str]:
    """Return what a person wants to read at the end of a run."""
    from graft.evaluation.verdict import HEADLINE, name_of, said_gain

    return [
        f"verdict   {HEADLINE[result['verdict']]} for {result['target']} ({result['strategy']})",
        f"          {result['sentence']}",
        f"gain      {said_gain(result)} of {name_of(result['metric'])}",
        f"report    {result['report']}",
        f"model     {result['model']}",
        f"          {result['reason']}",
    ]


def retrain(targets: list[str], as_json: bool = False) -> None:
    """Run every target that is stale, on the workers where `graft up --team` runs here, and say what became of each."""
    from flows.local import run_flow
    from flows.serving import team_runs_here
    from graft.catalog import load
    from graft.errors import GraftError

    catalog = load()
    for name in targets:
        catalog.target(name)
    try:
        rows = _on_workers(targets) if team_runs_here() else run_flow("retrain", {"targets": targets})
    except GraftError as error:
        _print_rows(getattr(error, "rows", []), as_json)
        raise
    _print_rows(rows, as_json)


def _on_workers(targets: list[str]) -> list[dict[str, Any]]:
    from flows.serving import speak_to_server

    speak_to_server()
    from flows.retrain import SomeFailed
    from flows.workers import follow, table_of

    run = follow("retrain/retrain", {"targets": targets}, f"{', '.join(targets) or 'all targets'}: retrain", _say)
    assert run.state is not None
    rows = [{key: value for key, value in row.items() if value} for row in table_of(run.id, "retrain-summary")]
    if not run.state.is_completed():
        raise SomeFailed(rows or [{"target": run.name, "error": run.state.message or str(run.state.name)}])
    return rows


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _print_rows(rows: list[Mapping[str, Any]], as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        said = row.get("error") or " ".join(filter(None, [row.get("sentence"), row.get("model")]))
        print(f"{row['target']}: {said}")
