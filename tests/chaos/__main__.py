"""make chaos: a team's stack, thirty runs, and kill -9 at random moments.

python -m tests.chaos [--runs 30] [--minutes 15] [--seed 0] [--folder FOLDER]

The moments and the kinds of victims come from the seed; what the victims were just doing does not, so two runs with one
seed differ. Prints what was killed, what became of every run, and what does not hold that must; exit code 1 if any.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from tests.chaos import findings, project, victims

PAUSE = (8.0, 32.0)  # seconds between two kills
START_SECONDS = 240.0
STILL_OPEN = 2  # runs of the turns before, when the next begins; a target that has one is joined
SETTLE_SECONDS = 420.0  # until a run whose every process was killed has been found, started again, and is through


def main() -> int:
    """Run the chaos and return the exit code."""
    asked = ask()
    folder = project.make(asked.folder)
    log = (folder / "stack.log").open("wb")
    port = free_port()
    command = [str(Path(sys.executable).with_name("graft")), "up", "--team", "--port", str(port)]
    stack = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=own(folder), start_new_session=True)
    try:
        wait_until_up(stack, folder / "stack.log")
        os.chdir(folder)
        runs, deaths, turn = torment(psutil.Process(stack.pid), asked)
        summaries = read_summaries(runs)
    finally:
        stack.send_signal(signal.SIGTERM)
        stack.wait(timeout=120)
    show(runs, deaths)
    print("\ntraining everything once more without a break", flush=True)
    unbroken = project.unbroken(folder.with_name(f"{folder.name}-unbroken"), folder, turn)
    return judge(folder, runs, deaths, summaries, unbroken)


def ask() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=30, help="transfer runs, at least")
    parser.add_argument("--minutes", type=float, default=15.0, help="no more rounds and no more kills after this")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path(".graft/chaos").absolute())
    return parser.parse_args()


def own(folder: Path) -> dict[str, str]:
    """Return the environment of the stack: the folder's own code, nothing of ours."""
    return project.environment() | {"PYTHONPATH": str(folder), "GRAFT_CHECKPOINT_SECONDS": "1"}


def wait_until_up(stack: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while b"\nend " not in log.read_bytes():
        if stack.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"the stack did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.5)


def torment(stack: psutil.Process, asked: argparse.Namespace) -> tuple[list[Any], list[tuple[float, str]], int]:
    """Start rounds of runs and kill until all is done or time is over; return the runs, the kills, the last turn."""
    draws, started = random.Random(asked.seed), time.monotonic()
    deaths: list[tuple[float, str]] = []
    ids: list[Any] = []
    turn, due, last = 0, started + draws.uniform(*PAUSE), started + asked.minutes * 60
    while True:
        now = time.monotonic()
        found = read_runs(ids)
        open_runs = len(ids) if found is None else sum(run.state.type not in findings.ENDED for run in found)
        wanted = len(ids) < asked.runs and now < last
        if wanted and open_runs <= STILL_OPEN:
            turn += bool(ids)
            project.write_catalogue(Path(), turn)
            ids += start_round(turn)
            print(f"{now - started:5.0f} s  turn {turn}: {len(ids)} runs so far", flush=True)
        elif not wanted and (open_runs == 0 or now > last + SETTLE_SECONDS):
            return read_runs(ids) or [], deaths, turn
        if now >= due and now < last and open_runs:
            if (death := victims.kill_one(stack, draws)) is not None:
                deaths.append((now - started, death[0]))
                print(f"{now - started:5.0f} s  killed: {death[0]}", flush=True)
            due = now + draws.uniform(*PAUSE)
        time.sleep(0.5)


def start_round(turn: int) -> list[Any]:
    """Ask for one run of every target, however often the server must be asked; two of them have changed."""
    from flows.workers import TRANSFER, start

    ids = []
    for target in project.TARGETS:
        asked = {"target": target, "decide": True}  # what is unchanged is skipped
        while True:
            try:
                ids.append(start(TRANSFER, asked, f"{target}, turn {turn}", f"{turn}/{target}"))
                break
            except Exception as error:  # noqa: BLE001 -- whatever a dying server makes of a request
                print(f"         the server was not there ({type(error).__name__}); asked again", flush=True)
                time.sleep(1)
    return ids


def read_runs(ids: Sequence[Any]) -> list[Any] | None:
    """Return the runs, or None while the server does not answer."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    if not ids:
        return []
    try:
        with get_client(sync_client=True) as client:
            return client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=list(ids))), limit=200)
    except Exception:  # noqa: BLE001 -- whatever a dying server makes of a request
        return None


def read_summaries(runs: Sequence[Any]) -> list[dict[str, Any]]:
    """Return what the completed runs said at their end."""
    from flows.workers import table_of

    found = []
    for run in runs:
        target = run.parameters["target"]
        if run.state.name == "Completed":
            found += table_of(run.id, f"{target}-summary")[:1]
    return found


def show(runs: Sequence[Any], deaths: Sequence[tuple[float, str]]) -> None:
    """Print what became of every run and who was killed how often."""
    print("\n| run | ends | starts | seconds | why |\n| --- | --- | --- | --- | --- |")
    for run in sorted(runs, key=lambda run: run.created):
        seconds = (run.end_time - run.created).total_seconds() if run.end_time else float("nan")
        print(f"| {run.name} | {run.state.name} | {run.run_count} | {seconds:.0f} | {run.state.message or ''} |")
    print("\n| killed | times |\n| --- | --- |")
    for kind, times in Counter(kind for _, kind in deaths).most_common():
        print(f"| {kind} | {times} |", flush=True)


def judge(
    folder: Path, runs: Sequence[Any], deaths: Sequence[tuple[float, str]], summaries: Sequence[Any], unbroken: Any
) -> int:
    """Print what does not hold and return the exit code."""
    completed = {run.parameters["target"] for run in runs if run.state.name == "Completed"}
    registry = folder / "registry"
    wrong = [
        *findings.about_runs(runs),
        *findings.about_registry(registry),
        *findings.about_events(registry, summaries),
        *findings.about_weights(registry, unbroken, completed),
    ]
    ends = Counter(run.state.name for run in runs)
    again = sum(run.run_count > 1 for run in runs)
    print(f"\n{len(runs)} runs: {dict(ends)}; {again} were started again; {len(deaths)} kills")
    print("\n".join(["does not hold:", *(f"- {line}" for line in wrong)]) if wrong else "everything holds")
    return bool(wrong)


def free_port() -> int:
    from flows.serving import free_port

    return free_port()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
