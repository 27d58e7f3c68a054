import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from graft.report import plots, style
from tests.graft.report.conftest import evidence


@pytest.mark.parametrize("verdict", ["helps", "neutral", "hurts", "cannot-tell"])
def test_verdict_plot_is_a_png_in_the_verdicts_colour(verdict: str) -> None:
    import io

    image = Image.open(io.BytesIO(plots.verdict_plot(evidence(verdict=verdict).metrics))).convert("RGB")
    assert image.width > 600
    colour = tuple(int(style.VERDICT[verdict][place : place + 2], 16) for place in (1, 3, 5))
    assert (np.asarray(image) == colour).all(axis=2).sum() > 50


def test_an_interval_of_zero_width_can_be_drawn() -> None:
    flat = {"gain": 0.0, "gain_low": 0.0, "gain_high": 0.0, "verdict": "neutral", "margin": 0.0}
    arms = {f"{arm}{end}": 1.0 for arm in ("transfer", "scratch") for end in ("", "_low", "_high")}
    assert plots.verdict_plot({**flat, **arms, "metric": "accuracy"}).startswith(b"\x89PNG")


def test_labels_with_mathematics_signs_are_drawn_as_they_are() -> None:
    figure = plots.confusion_figure(np.eye(2, dtype=np.int64), ["$x_1$", "a long label of many letters"])
    assert style.svg(figure).startswith("data:image/svg+xml;base64,")


def test_validation_scores_get_a_panel_only_where_they_were_measured() -> None:
    given = evidence()
    choices = (given.study["winner"], given.study["control"])
    assert len(plots.curves_figure(given.curves, choices).axes) == 1
    point = {**given.curves[0], "role": "candidate", "validation_metric": "0.5"}
    assert len(plots.curves_figure([*given.curves, point], choices).axes) == 2


def test_curves_show_the_chosen_settings_mean_over_folds_and_no_other_strategy() -> None:
    given = evidence()
    choices = (given.study["winner"], given.study["control"])
    row = {**given.curves[0], "role": "candidate"}
    folds = [{**row, "fold": str(fold), "validation_metric": str(score)} for fold, score in ((0, 0.4), (1, 0.8))]
    other = {**row, "strategy": "full", "validation_metric": "0.1"}
    (line,) = plots.curves_figure([*given.curves, *folds, other], choices).axes[1].lines
    assert np.asarray(line.get_ydata()).tolist() == pytest.approx([0.6])


def test_the_dashboards_plot_needs_no_torch() -> None:
    code = "import sys; from graft.report.plots import verdict_plot; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
