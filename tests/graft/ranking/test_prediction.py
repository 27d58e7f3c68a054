import numpy as np
import pytest

from graft.ranking.history import Past, Unknown
from graft.ranking.prediction import Prediction, judge, predict_gain


def past(table, gains):
    """Return studies whose scores are the columns of `table`."""
    return [
        Past(f"t{place}@1", f"t{place}", "s", {name: column[place] for name, column in table.items()}, gain)
        for place, gain in enumerate(gains)
    ]


def test_by_hand():
    """Gains on the line 0.1 * score, but for one wild study: the median of all slopes does not mind it.

    Scores 1 to 6, gains 0.1 to 0.5 and then 9: of 15 slopes 10 are 0.1, so the slope is 0.1. The constant is that
    through the medians, as Theil and Sen have it: median gain 0.35 less 0.1 times the median score 3.5, which is 0.
    """
    history = past({"logme": [1.0, 2, 3, 4, 5, 6]}, [0.1, 0.2, 0.3, 0.4, 0.5, 9.0])
    found = predict_gain(history, {"logme": 2.5})
    assert found.gain.value == pytest.approx(0.25)
    assert (found.studies, found.scores) == (6, ("logme",))


def test_beyond_past_scores_the_nearest_of_them_is_taken():
    history = past({"logme": [1.0, 2, 3, 4, 5]}, [0.1, 0.2, 0.3, 0.4, 0.5])
    assert predict_gain(history, {"logme": 1000.0}).gain.value == pytest.approx(0.5)
    assert predict_gain(history, {"logme": -1000.0}).gain.value == pytest.approx(0.1)


def test_several_scores_give_the_median_of_their_predictions():
    history = past({"a": [1.0, 2, 3, 4, 5], "b": [1.0, 2, 3, 4, 5], "c": [1.0, 2, 3, 4, 5]}, [0.1, 0.2, 0.3, 0.4, 0.5])
    assert predict_gain(history, {"a": 1.0, "b": 2.0, "c": 5.0}).gain.value == pytest.approx(0.2)


@pytest.mark.parametrize("studies", range(5))
def test_below_five_studies_nothing_is_predicted(studies):
    history = past({"logme": [float(place) for place in range(studies)]}, [0.1 * place for place in range(studies)])
    assert predict_gain(history, {"logme": 1.0}) == Unknown(f"not enough studies yet ({studies} of 5)")
    assert judge(history) == Unknown(f"not enough studies yet ({studies} of 5)")


def test_scores_that_no_past_study_had_predict_nothing():
    history = past({"logme": [1.0, 2, 3, 4, 5]}, [0.1, 0.2, 0.3, 0.4, 0.5])
    assert predict_gain(history, {"knn": 1.0}) == Unknown("not enough studies yet (0 of 5)")
    assert predict_gain(history, {}) == Unknown("not enough studies yet (0 of 5)")


def test_a_score_that_never_differed_says_the_median_gain():
    history = past({"logme": [1.0] * 5}, [0.1, 0.2, 0.3, 0.4, 0.9])
    assert predict_gain(history, {"logme": 5.0}).gain.value == pytest.approx(0.3)


def test_the_interval_is_as_wide_as_past_predictions_were_wrong():
    """Five studies: an interval for 80 % of them needs the largest of five errors (the 5th of 0.8 * 6 = 4.8)."""
    exact = past({"logme": [1.0, 2, 3, 4, 5]}, [0.1, 0.2, 0.3, 0.4, 0.5])
    found = predict_gain(exact, {"logme": 3.0}).gain
    # left out, the outer studies are predicted by their neighbours' gain, 0.1 off; the inner ones exactly
    assert (found.low, found.value, found.high) == pytest.approx((0.2, 0.3, 0.4))


def test_the_interval_covers_new_studies_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(150):
        scores = rng.normal(size=9)
        gains = 0.05 * scores + 0.02 * rng.normal(size=9)
        found = predict_gain(past({"logme": scores[:8].tolist()}, gains[:8].tolist()), {"logme": float(scores[8])})
        covered.append(found.gain.low <= gains[8] <= found.gain.high)
    assert 0.7 <= np.mean(covered) <= 0.95


def test_a_score_that_tells_the_gain_beats_the_median_and_one_that_does_not_fails_to():
    rng = np.random.default_rng(0)
    gains = rng.normal(size=20)
    good = judge(past({"logme": (3 * gains + 0.1 * rng.normal(size=20)).tolist()}, gains.tolist()))
    useless = judge(past({"logme": rng.normal(size=20).tolist()}, gains.tolist()))
    assert good.studies == useless.studies == 20
    assert good.error < 0.3 * good.baseline
    assert useless.error > 0.8 * useless.baseline
    assert good.order.spearman.value > 0.9


def test_a_study_never_predicts_itself():
    """The wild study is missed by nearly all of its gain; were it among those that predict it, it would be hit."""
    history = past({"logme": [1.0, 2, 3, 4, 5, 6]}, [0.0, 0.0, 0.0, 0.0, 0.0, 6.0])
    found = judge(history)
    assert found.error >= 1.0
    assert isinstance(predict_gain(history, {"logme": 6.0}), Prediction)
