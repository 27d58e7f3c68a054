"""What the dashboard shows: progress, the trials, the verdict with its plot and the gate decision."""

from __future__ import annotations

import base64
import csv
import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from prefect import task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.runtime import task_run

from graft.evaluation.verdict import HEADLINE, name_of, said_gain, sentence
from graft.report.wording import why
from graft.settings import settings
from tasks.patience import is_away, show_page, show_table
from tasks.results import decision_headline, read_metrics, summary


def artifact_key(*words: str) -> str:
    """Return an artifact key, which Prefect allows lower-case letters, digits and dashes only."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")


class Meter:
    """Mirrors `.graft/progress/STAGE.json` to a progress artifact of the running task."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self._path = settings().work / "progress" / f"{stage}.json"
        self._path.unlink(missing_ok=True)
        self._artifact: UUID | None = None
        self._shown: tuple[float, str] | None = None

    def finish(self) -> None:
        """Show that the stage is done, also where it ended early or between two looks."""
        if self._artifact is not None:
            self._show(100.0, f"{self.stage}: done")

    def mirror(self) -> None:
        """Show how far the stage is, if that has changed."""
        try:
            state = json.loads(self._path.read_text())
        except FileNotFoundError:
            return
        percent, words = 100.0 * state["done"] / max(1, state["total"]), f"{self.stage}: {state['message']}"
        if (percent, words) == self._shown:
            return
        self._shown = percent, words
        self._show(percent, words)

    def _show(self, percent: float, words: str) -> None:
        """Show a state, or do without while the server is away: a training does not wait for its picture."""
        try:
            if self._artifact is None:
                made = create_progress_artifact(percent, key=artifact_key(self.stage), description=words)
                self._artifact = cast(UUID, made)
            else:
                update_progress_artifact(self._artifact, percent, description=words)
        except Exception as error:
            if not is_away(error):
                raise


@task(
    task_run_name=lambda: f"{task_run.parameters['target']}: report, {date.today()}",
    cache_policy=NO_CACHE,
    persist_result=False,
)
def report(target: str, decision: Mapping[str, Any]) -> dict[str, Any]:
    """Show trials, verdict and decision in the dashboard and return the run's summary."""
    metrics = read_metrics(target)
    study = json.loads((Path("runs") / target / "study.json").read_text())
    show_table(
        candidate_rows(study), key=artifact_key(target, "candidates"), description=f"Strategies tried for {target}"
    )
    with (Path("runs") / target / "trials.csv").open(newline="") as stream:
        trials = list(csv.DictReader(stream))
    show_table(trials, key=artifact_key(target, "trials"), description=f"Every trial for {target}")
    show_page(verdict_page(metrics, decision), key=artifact_key(target, "verdict"), description=f"Verdict on {target}")
    row = summary(metrics, decision)
    show_table([row], key=artifact_key(target, "summary"), description=f"What came of {target}")
    return row


def candidate_rows(study: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the candidates of a study as rows of a table, best first."""
    ranked = sorted(study["candidates"], key=lambda candidate: candidate["mean"], reverse=study["higher_is_better"])
    return [
        {
            "strategy": candidate["strategy"],
            "learning rate": f"{candidate['learning_rate']:g}",
            name_of(study["metric"]): f"{candidate['mean']:.4f} ± {candidate['standard_error'] or 0:.4f}",
            "trials": str(candidate["trials"]),
            "trained parameters": f"{candidate['trained_parameters']:,}",
            "why": why(candidate),
        }
        for candidate in ranked
    ]


def verdict_page(metrics: Mapping[str, Any], decision: Mapping[str, Any]) -> str:
    """Return the verdict, its plot, the gates one by one, and where the report and the model are."""
    from graft.report.plots import verdict_plot  # matplotlib loads slowly and is wanted once, here

    target, picture = metrics["target"], base64.b64encode(verdict_plot(metrics)).decode()
    return "\n".join(
        [
            f"# {target}: {HEADLINE[metrics['verdict']].lower()}",
            "",
            sentence(metrics),
            "",
            f"![gain over training from scratch](data:image/png;base64,{picture})",
            "",
            f"## {decision_headline(decision)}",
            "",
            decision["reason"],
            *_how_to_approve(decision),
            "",
            *_gate_table(decision["gates"]),
            "",
            *_facts(metrics, decision),
            "",
        ]
    )


def _how_to_approve(decision: Mapping[str, Any]) -> list[str]:
    if not decision["awaits_approval"]:
        return []
    version = f"{decision['model']}@{decision['version']}"
    return ["", f"Approve it with the deployment *promote* or with `graft promote {version} --reason WHY`."]


def _gate_table(gates: Sequence[Mapping[str, Any]]) -> list[str]:
    if not gates:
        return []
    rows = [
        f"| {gate['gate']} | {'passed' if gate['passed'] else '**failed**'} | {str(gate['reason']).replace('|', '/')} |"
        for gate in gates
    ]
    return ["| gate | | why |", "|---|---|---|", *rows]


def _facts(metrics: Mapping[str, Any], decision: Mapping[str, Any]) -> list[str]:
    target, report_path = metrics["target"], Path("reports") / str(metrics["target"]) / "report.html"
    facts = {
        "gain": said_gain(metrics),
        "strategy": metrics["strategy"],
        "trained groups": ", ".join(metrics["trained_groups"]),
        "trials": metrics["trials"],
        "report": f"[{report_path}]({report_path.resolve().as_uri()})",
        "model": f"`graft models show {target}@{decision['version']}`",
    }
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in facts.items())]
