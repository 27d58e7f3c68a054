"""The report: one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from graft import __version__
from graft.evaluation.cost import SHARED, price
from graft.evaluation.verdict import HEADLINE, sentence
from graft.report import plots, style
from graft.report.evidence import Evidence
from graft.report.label_curve import doubling_sentence, label_curve_figure, multiplier_sentence
from graft.report.network import draw
from graft.report.operating_point import rates, roc_figure
from graft.report.pairs import accepts_figure, thresholds_table
from graft.report.pareto import pareto_figure
from graft.report.robustness import against_control, corruptions_figure, list_conditions
from graft.report.scores import scores_figure, scores_sentence, scores_table
from graft.report.wording import FILTERS

MOST_CLASSES = 40  # a larger confusion matrix is a grey square


def render_page(evidence: Evidence, figures: Mapping[str, str] | None = None) -> str:
    """Return the report as HTML: the first screen for who decides, the rest for who must believe it.

    `figures` are those of `draw_figures`; none: they are drawn now, which takes most of the time.
    """
    metrics, study = evidence.metrics, evidence.study
    return environment(html=True).get_template("report.html.j2").render(
        metrics=metrics,
        study=study,
        evidence=evidence,
        headline=HEADLINE[metrics["verdict"]],
        sentence=sentence(metrics),
        colour=style.VERDICT[metrics["verdict"]],
        drawing=draw(study["groups"], metrics["trained_groups"]),
        figures=draw_figures(evidence) if figures is None else figures,
        confusions=_confusions(evidence),
        on_cpu=str(study["device"]).startswith("cpu"),
        prices=price(metrics, evidence.trials),
        trials=[trial for trial in evidence.trials if trial["role"] not in SHARED],
        corruptions=sorted({one.name for one in evidence.robustness if one.kind == "corruption" and one.severity}),
        conditions=list_conditions(metrics),
        depths=scores_table(study),
        scores_said=scores_sentence(study),
        ahead=_ahead(evidence),
        thresholds=thresholds_table(metrics),
        label_curve=_label_curve(evidence),
        operating_rates=rates(metrics),
        version=__version__,
    )  # fmt: skip


def environment(html: bool) -> Environment:
    """Return the templates' environment; what users wrote is escaped in HTML, and a missing name is an error."""
    loader = PackageLoader("graft.report")
    made = Environment(loader=loader, autoescape=html, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters.update(FILTERS)
    return made


def draw_figures(evidence: Evidence) -> Mapping[str, str]:
    """Return the figures of a report by name, as data URIs of SVG images."""
    study, labels = evidence.study, evidence.study["labels"]
    figures = {
        "verdict": plots.verdict_figure(evidence.metrics),
        "candidates": plots.candidates_figure(
            study["candidates"], study["winner"], study["metric"], study.get("higher_is_better", True)
        ),
        "curves": plots.curves_figure(evidence.curves, (study["winner"], study["control"])),
    }
    if evidence.reliability is not None:
        figures["reliability"] = plots.reliability_figure(*evidence.reliability)
    if evidence.confusion is not None and len(labels) <= MOST_CLASSES:
        figures["confusion"] = plots.confusion_figure(evidence.confusion, labels)
    if evidence.accepts:
        figures["accepts"] = accepts_figure(evidence.accepts, evidence.metrics)
    if evidence.metrics["robustness"] is not None:
        figures["corruptions"] = corruptions_figure(evidence.robustness, study["metric"])
    if evidence.roc:
        figures["roc"] = roc_figure(evidence.metrics, evidence.roc)
    rises = study.get("higher_is_better", True)
    pareto = pareto_figure(study["candidates"], study["metric"], evidence.metrics["source_metric"], rises)
    if "pareto" in evidence.drawn and pareto is not None:
        figures["pareto"] = pareto
    if evidence.label_curve.points:
        figures["label_curve"] = label_curve_figure(evidence.metrics, evidence.label_curve.points)
    if any(one["scores"] or one["undefined"] for one in study.get("boundary_scores") or ()):
        figures["scores"] = scores_figure(study)
    return {name: style.svg(figure) for name, figure in figures.items()}


def _label_curve(evidence: Evidence) -> Sequence[str]:
    """Return what the label curve says, or why there is none."""
    metrics, points = evidence.metrics, evidence.label_curve.points
    if not points:
        return [str(metrics["label_curve_note"])]
    return [multiplier_sentence(metrics), doubling_sentence(metrics, points)]


def _ahead(evidence: Evidence) -> str:
    """Return where transfer is ahead on corrupted rows, where any were measured."""
    if evidence.metrics["robustness"] is None:
        return ""
    return against_control(evidence.robustness, evidence.metrics["metric"], evidence.metrics["higher_is_better"])


def _confusions(evidence: Evidence) -> Sequence[tuple[str, str, int]]:
    """Return the commonest confusions as true label, predicted label, rows; none where there are no classes."""
    if evidence.confusion is None:
        return []
    labels: Sequence[Any] = evidence.study["labels"]
    pairs = [
        (labels[true], labels[predicted], int(rows))
        for true, line in enumerate(evidence.confusion)
        for predicted, rows in enumerate(line)
        if true != predicted and rows
    ]
    return sorted(pairs, key=lambda pair: -pair[2])[:8]
