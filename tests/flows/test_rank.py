import json

import pytest

from flows.commands import rank as command
from graft.evaluation.bootstrap import Interval
from graft.ranking.correlation import Correlation
from graft.ranking.depths import PastTaus
from graft.ranking.history import Unknown
from graft.ranking.order import Order, Ranked
from graft.ranking.prediction import Prediction, Record
from graft.ranking.rank import Ranking
from graft.ranking.sources import LeftOut
from graft.transferability import UndefinedScore

FEW = Unknown("not enough studies yet (2 of 5)")
NONE = UndefinedScore("the source predicts no classes")


def ranked(source, gain=FEW, realised=None, leep=-0.5):
    return Ranked(source, "block 2", 1.5, {"logme": 0.25, "leep": leep}, 0.75, gain, realised)


def make(*sources, record=FEW, correlations=None, depths=FEW):
    order = Order(sources, ("logme",), (LeftOut("dead", "the features are the same for every row"),))
    left_out = (LeftOut("absent", "not pretrained yet: dvc repro pretrain@absent"),)
    known = {"logme": depths, "leep": FEW}
    return Ranking("t", 20, "accuracy", order, left_out, correlations or {"logme": FEW, "leep": FEW}, known, record)


EARLY = make(ranked("digits", realised=0.031), ranked("words", leep=NONE))
LATE = make(
    ranked("digits", Prediction(Interval(0.04, -0.01, 0.09), 7, ("logme",))),
    record=Record(7, 0.02, 0.05, Correlation(7, Interval(0.9, 0.2, 1.0), Interval(0.8, 0.1, 1.0))),
    correlations={"logme": Correlation(7, Interval(0.7, 0.1, 0.9), Interval(0.5, 0.0, 0.8)), "leep": FEW},
    depths=PastTaus(6, 0.33, -0.33, 1.0),
)


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs the command on a ranking and returns what it printed."""

    def go(ranking, as_json=False):
        monkeypatch.setattr(command, "rank_sources", lambda *_: ranking)
        monkeypatch.setattr(command, "load", lambda: None)
        command.rank("t", as_json)
        return capsys.readouterr().out

    return go


def test_a_team_without_studies_is_told_so_at_every_number(run):
    said = run(EARLY)
    assert "t: 2 sources scored on 20 labelled rows; nothing trained" in said
    assert "not enough studies yet (2 of 5); studied: +3.1" in said
    assert "how predictions have held here: not enough studies yet (2 of 5)" in said
    assert "leep does not count in the order; undefined: the source predicts no classes" in said
    assert "not ranked: dead, the features are the same for every row" in said
    assert "not ranked: absent, not pretrained yet: dvc repro pretrain@absent" in said


def test_a_team_with_studies_sees_what_scores_were_worth(run):
    said = run(LATE)
    assert "+4.0 points (−1.0 to +9.0)" in said
    assert "rho 0.70 (0.10 to 0.90), tau 0.50 (0.00 to 0.80)" in said
    assert "tau 0.33 (-0.33 to 1.00) within 6 studies" in said
    assert "missed by 2.0 points on average; better than always saying the median gain (5.0)" in said


def test_json_holds_numbers_and_reasons_and_nothing_else_is_printed(run):
    early, late = (json.loads(run(ranking, as_json=True)) for ranking in (EARLY, LATE))
    assert [one["source"] for one in early["sources"]] == ["digits", "words"]
    assert early["sources"][1]["scores"] == {"logme": 0.25, "leep": None}
    assert early["sources"][1]["undefined"] == {"leep": "the source predicts no classes"}
    assert early["sources"][0]["realised_gain"] == 0.031
    assert early["sources"][0]["gain"] == {"unknown": "not enough studies yet (2 of 5)"}
    assert early["not_ranked"][0] == {"source": "dead", "reason": "the features are the same for every row"}
    assert late["sources"][0]["gain"]["gain"] == {"value": 0.04, "low": -0.01, "high": 0.09}
    assert late["correlations"]["logme"]["spearman"]["value"] == 0.7
    assert late["record"]["error"] == 0.02
    assert late["depths"]["logme"] == {"studies": 6, "median": 0.33, "low": -0.33, "high": 1.0}
    assert early["depths"]["logme"] == {"unknown": "not enough studies yet (2 of 5)"}
