"""The operating point on the report: its curves, its rates, and no word of it where no class is positive."""

from dataclasses import replace

import numpy as np

from graft.evaluation.operating_point import KEYS, RocCurve
from graft.report.card import render_card
from graft.report.operating_point import rates, roc_figure
from graft.report.page import render_page
from tests.graft.report.conftest import evidence


def told(given):
    """Return evidence with an operating point whose negative predictive value is never said."""
    found = {key: 0.9 if not key.endswith(("_name", "_rows")) else None for key in KEYS}
    found |= {f"{name}{end}": 0.8 for name in ("auroc", "auroc_scratch") for end in ("", "_low", "_high")}
    found |= {
        "positive": "<ill>",
        "threshold": 0.214,
        "threshold_scratch": 0.377,
        "threshold_rule": "by J",
        "npv": None,
    }
    found |= {"worst_group_sensitivity_name": "ward <7>", "worst_group_sensitivity_scratch_name": "ward 8"}
    found |= {"worst_group_sensitivity_rows": 12, "worst_group_sensitivity_scratch_rows": 15}
    line = np.array([0.0, 0.1, 1.0])
    curves = [RocCurve(arm, line, np.sqrt(line)) for arm in ("transfer", "scratch")]
    return replace(given, metrics={**given.metrics, **found}, roc=curves)


def test_the_page_tells_every_rate_of_both_arms():
    page = render_page(told(evidence(classes=2)))
    for word in ("Operating point", "0.214", "0.377", "by J", "&lt;ill&gt;", "ward &lt;7&gt;", "ward 8", "never said"):
        assert word in page
    assert "<ill>" not in page


def test_a_page_without_a_positive_class_is_silent_about_it(figures):
    given = evidence()
    assert "perating point" not in render_page(given, figures)
    assert rates(given.metrics) == []
    assert "perating point" not in render_card(given.study, given.metrics)


def test_the_card_says_the_threshold_and_what_it_gives():
    given = told(evidence(classes=2))
    card = render_card(given.study, given.metrics)
    assert "`<ill>` from a probability of 0.214 on" in card
    assert "(ward <7>)" in card


def test_both_arms_have_their_curves_and_their_point():
    given = told(evidence(classes=2))
    axes = roc_figure(given.metrics, given.roc).axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "from scratch, from 0.38 on", "transfer, from 0.21 on",
    ]  # fmt: skip
    assert len([line for line in axes.lines if len(line.get_xdata()) == 3]) == 2
