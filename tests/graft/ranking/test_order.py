import pytest

from graft.errors import DataError
from graft.ranking.history import Past, Unknown
from graft.ranking.order import order_sources
from graft.ranking.prediction import Prediction
from graft.ranking.sources import Scored
from graft.transferability import UndefinedScore

CONSTANT = UndefinedScore("the features are the same for every row")


def scored(source, **boundaries):
    return Scored(source, {name.replace("_", " "): values for name, values in boundaries.items()}, 1.0)


def values(logme, knn, leep=-1.0):
    return {"logme": logme, "knn": knn, "leep": leep}


def test_by_hand():
    """Four places. By logme: b1 3, a2 2, a1 1, b2 0; by knn: a2 0.9, b1 0.8 and a1 0.8, b2 0.1; leep 1 for a, 2 for b.

    Ranks: a1 (3 + 2.5 + 1.5) / 3, a2 (2 + 1 + 1.5) / 3, b1 (1 + 2.5 + 3.5) / 3, b2 (4 + 4 + 3.5) / 3.
    """
    one = scored("a", block_1=values(1.0, 0.8, -1.0), block_2=values(2.0, 0.9, -1.0))
    two = scored("b", block_1=values(3.0, 0.8, -2.0), block_2=values(0.0, 0.1, -2.0))
    order = order_sources([two, one], "t", [])
    found = [(ranked.source, ranked.boundary, ranked.mean_rank) for ranked in order.ranked]
    assert found == [("a", "block 2", pytest.approx(4.5 / 3)), ("b", "block 1", pytest.approx(7 / 3))]
    assert order.counted == ("logme", "knn", "leep")
    assert order.ranked[0].scores == values(2.0, 0.9, -1.0)


def test_a_score_that_one_source_lacks_counts_for_none():
    without = scored("words", block_1=values(1.0, 0.9, UndefinedScore("the source predicts no classes")))
    order = order_sources([scored("a", block_1=values(0.0, 0.8, -0.1)), without], "t", [])
    assert order.counted == ("logme", "knn")
    assert [ranked.source for ranked in order.ranked] == ["words", "a"]


def test_a_boundary_that_says_nothing_is_passed_over_and_spoils_no_score():
    one = scored("a", stem=values(CONSTANT, CONSTANT), block_1=values(1.0, 0.8))
    order = order_sources([one], "t", [])
    assert order.counted == ("logme", "knn", "leep")
    assert order.ranked[0].boundary == "block 1"


def test_a_source_that_says_nothing_anywhere_is_left_out_with_the_reason():
    dead = scored("dead", stem=values(CONSTANT, CONSTANT), block_1=values(CONSTANT, CONSTANT))
    order = order_sources([dead, scored("a", block_1=values(1.0, 0.8))], "t", [])
    assert [ranked.source for ranked in order.ranked] == ["a"]
    assert [(one.source, one.reason) for one in order.left_out] == [("dead", CONSTANT.reason)]


def test_rows_without_any_score_are_an_error_that_says_why():
    dead = scored("dead", stem=values(CONSTANT, CONSTANT))
    with pytest.raises(DataError, match=r"no score can be read from the labelled rows of 't'(.|\n)*dead: the features"):
        order_sources([dead], "t", [])


def test_a_gain_is_predicted_from_the_scores_below_the_head_and_not_from_the_pair_itself():
    history = [Past(f"{n}@1", n, "a", {"logme": float(place)}, place / 10) for place, n in enumerate("opqrs", start=1)]
    one = scored("a", block_1=values(5.0, 0.9), block_2=values(2.0, 0.1))
    ranked = order_sources([one], "t", history).ranked[0]
    assert ranked.boundary == "block 1"
    assert isinstance(ranked.gain, Prediction)
    assert ranked.gain.gain.value == pytest.approx(0.2)
    assert ranked.realised is None
    studied = order_sources([one], "o", history).ranked[0]
    assert studied.realised == pytest.approx(0.1)
    assert studied.gain == Unknown("not enough studies yet (4 of 5)")
